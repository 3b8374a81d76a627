"""`codex-fusion ask`: the tools from a terminal, with the permission asked of the person at the keyboard.

It works on a `Workplace` in this process, and not through the protocol: there is one process less to start
(importing mcp on both sides takes longer than everything else before the first word), to interrupt and to
lose. The reporter, the words and the permissions are the server's own.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import redirect_stderr
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from io import StringIO
from typing import TYPE_CHECKING, Any

import anyio

from codex_fusion.human import Caller, Means
from codex_fusion.outcome import Status
from codex_fusion.reporter import Reporter
from codex_fusion.terminal import Tone, silence
from codex_fusion.workplace import Workplace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_fusion.config import Config
    from codex_fusion.service import Reply
    from codex_fusion.terminal import Keyboard, Screen

TURN_ENDS_S = 1.0
"""How long a turn that was interrupted may take to write its record."""
NOBODY_NOTE = "Nobody is there to be asked. Answer without it, and say what you could not find out."
HUNG_UP_NOTE = "The person at the keyboard has left."
PERMIT_PROMPT = "\n[a]llow this once, or [d]eny; a note for Codex may follow (d use git log instead): "
REPLY_PROMPT = "\nreply (Enter alone: done): "
_HOW_TO_PERMIT = "\n\nDecide with `permit`"
_FOOTER = "\n\n— Codex · "


class Exit(IntEnum):
    """Of `ask`."""

    ANSWERED = 0
    FAILED = 1
    NOT_PERMITTED = 3
    """Codex asked for a permission, and nobody was there to give it."""


class Choice(Enum):
    """What a person decided."""

    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Question:
    """One call of an asking tool."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(slots=True)
class Desk:
    """Who asks: where the answer goes, where progress and trouble go, and who decides (None: nobody)."""

    answers: Screen
    progress: Screen
    keyboard: Keyboard | None
    received: int | None = field(default=None, init=False)
    """The signal that ended it."""


def read_choice(answer: str) -> tuple[Choice, str] | None:
    """What was typed at `PERMIT_PROMPT`: the decision, and the note behind it. None: neither of both."""
    word, _, note = answer.strip().partition(" ")
    match word.lower().rstrip(",:;"):
        case "a" | "allow" | "y" | "yes":
            return Choice.ALLOW, note.strip()
        case "d" | "deny" | "n" | "no":
            return Choice.DENY, note.strip()
    return None


async def ask(question: Question, config: Config, environ: Mapping[str, str], desk: Desk) -> int:
    """Ask, and go on with the debate as long as the person replies; returns the exit code."""
    code = int(Exit.FAILED)
    recorded = StringIO()  # the server's own record of its turns, which nobody here has asked for
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope, redirect_stderr(recorded):
            tasks.start_soon(_end_on_signal, desk, scope)
            workplace = Workplace(config, environ, tasks, asker="You")
            try:
                code = await _Conversation(workplace, desk).hold(question)
            finally:
                with anyio.CancelScope(shield=True):
                    await workplace.close(turn_ends_s=TURN_ENDS_S)
                desk.progress.forget()
                desk.answers.forget()
        tasks.cancel_scope.cancel()
    if desk.received is not None:
        return 128 + desk.received
    if code == Exit.FAILED and (last := recorded.getvalue().strip()):
        desk.progress.say(last, Tone.FAINT)
    return code


async def _end_on_signal(desk: Desk, scope: anyio.CancelScope) -> None:
    """The first signal ends the turn; the receiver stays, so that no second one interrupts the clean-up."""
    if sys.platform == "win32":
        return  # signals can't be received there
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        async for number in received:
            desk.received = desk.received or int(number)
            scope.cancel()


class _Conversation:
    """One question, its permissions, and the replies to its answer."""

    def __init__(self, workplace: Workplace, desk: Desk) -> None:
        self._workplace = workplace
        self._desk = desk
        self._denied_for_nobody = False
        self._told: set[str] = set()
        """The requests that the person has seen."""

    async def hold(self, question: Question) -> int:
        reply = await self._settle(await self._call(question.tool, question.arguments))
        while not reply.is_error and (message := await self._next_message(reply)):
            reply = await self._settle(await self._call("reply", {"message": message}))
        if self._denied_for_nobody:
            return Exit.NOT_PERMITTED
        return Exit.FAILED if reply.is_error else Exit.ANSWERED

    async def _call(self, tool: str, arguments: Mapping[str, Any], means: Means = Means.KEYBOARD) -> Reply:
        async def send(_count: int, message: str) -> None:
            await self._desk.progress.progress(message)

        reporter = Reporter(send)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reporter.run)
            reply = await self._workplace.call(tool, dict(arguments), reporter, Caller(means))
            reporter.finish()
        self._desk.progress.forget()
        return reply

    async def _settle(self, reply: Reply) -> Reply:
        """Decide whatever Codex asks for, then show what it came to."""
        while (turn := reply.turn or {}).get("status") == Status.PERMISSION and turn.get("requests"):
            reply = await self._decide(reply, turn["requests"])
        main, *notices = reply.texts or ("",)
        if reply.is_error:
            self._desk.progress.say(main, Tone.BAD)
        else:
            if self._desk.answers.live:
                self._desk.answers.say()
            answer, mark, footer = main.rpartition(_FOOTER)
            self._desk.answers.markdown(answer if mark else main)
            if mark:
                self._desk.answers.say(f"\n{mark.strip()} {footer}", Tone.FAINT)
        for notice in notices:
            self._desk.progress.say(notice, Tone.FAINT)
        return reply

    async def _decide(self, reply: Reply, requests: list[dict[str, Any]]) -> Reply:
        """Put the first open request to the person; the others come with the next pause."""
        asked = requests[0]["id"]
        if asked not in self._told:
            self._told |= {request["id"] for request in requests}
            # The last paragraph tells Claude how to go on; it is ours, and nothing of Codex's stands in it.
            self._desk.progress.say()
            self._desk.progress.say(reply.texts[0].rpartition(_HOW_TO_PERMIT)[0] or reply.texts[0])
        choice, note = await self._choose(asked, requests[0]["what"], many=len(requests) > 1)
        arguments = {"decision": choice.value, "request": asked, "note": note or None}
        means = Means.KEYBOARD if self._desk.keyboard is not None else Means.NOBODY
        after = await self._call("permit", arguments, means)
        if after.is_error and after.turn is None:
            # It could not be allowed, or was withdrawn meanwhile: say so; what is open is denied, not left.
            self._desk.progress.say(after.texts[0], Tone.BAD)
            if choice is Choice.ALLOW:
                after = await self._call("permit", arguments | {"decision": Choice.DENY.value}, means)
        return after

    async def _choose(self, asked: str, what: str, *, many: bool) -> tuple[Choice, str]:
        keyboard = self._desk.keyboard
        if keyboard is None:
            self._denied_for_nobody = True
            self._desk.progress.say(f"{asked} is denied: nobody is there to decide it.", Tone.ASKS)
            return Choice.DENY, NOBODY_NOTE
        which = f"{asked}: {what}\n" if many else ""
        while True:
            answer = await keyboard.ask(self._desk.progress, f"{which}{PERMIT_PROMPT}")
            if answer is None:
                self._desk.keyboard = None
                self._denied_for_nobody = True
                return Choice.DENY, HUNG_UP_NOTE
            if (choice := read_choice(answer)) is not None:
                return choice

    async def _next_message(self, reply: Reply) -> str | None:
        """What the person replies; None where nobody is there, or there is nothing to reply to."""
        debate = ((reply.turn or {}).get("session") or {}).get("round") is not None
        if self._desk.keyboard is None or not debate:
            return None
        message = await self._desk.keyboard.ask(self._desk.answers, REPLY_PROMPT)
        if message is None:
            self._desk.answers.say()  # the shell's prompt on a line of its own
        return message or None


def run(question: Question, config: Config, desk: Desk) -> int:
    """`ask`, from the command line."""
    try:
        return anyio.run(ask, question, config, dict(os.environ), desk)
    finally:
        if desk.received == signal.SIGHUP:
            silence()

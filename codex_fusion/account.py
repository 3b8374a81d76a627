"""What a turn came to: the agent's words and results, how it ended, and the outcome to report of that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codex_fusion import diagnosis, verdict
from codex_fusion.outcome import Outcome, Status
from codex_fusion.transcript import Transcript
from codex_fusion.turn import Ending

if TYPE_CHECKING:
    from codex_fusion.conversation import Brief, Conversation
    from codex_fusion.events import PromptResult, Usage
    from codex_fusion.outcome import OpenRequest, Problem

_STATUS = {
    Ending.ANSWERED: Status.ANSWERED,
    Ending.CANCELLED: Status.CANCELLED,
    Ending.TIMEOUT: Status.TIMEOUT,
    Ending.FAILED: Status.FAILED,
}


class Account:
    """Of one turn."""

    def __init__(self, brief: Brief) -> None:
        self.transcript = Transcript()
        self.conversation: Conversation | None = None
        self.new_session = False
        self.problem: Problem | None = None
        """Why there is no answer, as far as is known."""
        self.notices: tuple[str, ...] = ()
        """What the reader must know beside the answer. Whoever reports it empties it: it is told once."""
        self._brief = brief
        self._usage: Usage | None = None
        self._result: PromptResult | None = None
        self._ending: Ending | None = None

    def begin(self, talk: Conversation) -> None:
        """The prompt goes out in this session."""
        if self.new_session:
            self.notices += talk.notices
        talk.turns += 1
        if self._brief.round is not None:
            talk.round = self._brief.round

    def never_began(self, result: PromptResult) -> bool:
        """Whether Codex was not there to hear the prompt, so that it can be sent again."""
        return diagnosis.was_lost(result) and self.transcript.is_empty

    def replied(self, result: PromptResult) -> None:
        """The agent answered a prompt of the turn's."""
        self._result = result
        if result.usage is not None:
            self._usage = result.usage if self._usage is None else self._usage + result.usage
        self.problem = diagnosis.of_result(result, self.transcript.answer)

    def end(self, ending: Ending, cancelled_by: str | None) -> None:
        """The turn is over."""
        self._ending = ending
        if ending is Ending.TIMEOUT:
            self.problem = diagnosis.of_timeout(self._brief.limit_s, self.transcript.doing)
        elif ending is Ending.CANCELLED:
            self.problem = diagnosis.of_cancel(cancelled_by or "the agent itself")
        if lost := self.transcript.text_dropped:
            told = f"Codex wrote {lost:,} characters more than are taken of one turn: they are lost."
            self.notices = (*self.notices, told)
        if self.conversation is not None and self.transcript.context is not None:
            self.conversation.context = self.transcript.context

    def outcome(self, seconds: float, requests: tuple[OpenRequest, ...]) -> Outcome:
        """What there is to report now: the pause, or how it ended."""
        talk = self.conversation
        common = Outcome(
            status=Status.PERMISSION,
            tool=self._brief.tool,
            turn=self._brief.number,
            text=self.transcript.answer or self.transcript.written,
            seconds=seconds,
            usage=self._usage,
            context=self.transcript.context,
            session_id=talk.session_id if talk else None,
            new_session=self.new_session,
            round=self._brief.round,
            requests=requests,
            stop_reason=self._result.stop_reason if self._result else None,
            notices=self.notices,
        )
        if self._ending is None:
            return common
        status = _STATUS[self._ending]
        if status is Status.ANSWERED and self.problem is not None:
            status = Status.FAILED
        answered = status is Status.ANSWERED
        text = self.transcript.answer if answered else self.transcript.written
        if self._result is not None and self._result.failure is not None:
            # An agent that we did not opt in with writes the failure as its last message (codex-acp 2.6.0).
            text = text.removesuffix(self._result.failure.title).rstrip()
        found = verdict.read(text) if answered and self._brief.round is not None else None
        return replace(common, status=status, text=text, problem=self.problem, verdict=found)

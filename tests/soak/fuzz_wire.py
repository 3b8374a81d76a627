"""Fuzz what an agent may send: `python -m tests.soak.fuzz_wire [--inputs N] [--seed S] [--first N]`.

Bytes go into the standard output of a real child, in pieces of any size, and through all that reads them:
pipes, frames, the acp library, wire, agent, transcript, policy. What comes out (events, answers, counts) must
be what `expected` says. The inputs come in lives, each with an agent of its own that ends in a different way;
a life that failed is repeated by its number and the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import resource
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import anyio

from codex_fusion.agent import Agent
from codex_fusion.errors import AgentGoneError, alone
from codex_fusion.events import Asking, Broken, PromptResult, TakenBack
from codex_fusion.process import spawn
from tests.soak.expected import Model
from tests.soak.mutations import LINE_LIMIT, Mutations
from tests.soak.wire_ends import Ear, Found, Out, Pipes
from tests.support.acp_messages import SESSION_RESULT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

BATCH = 250
LIFE = 40 * BATCH
"""Inputs for each agent."""
WAIT_S = 30.0
GROWTH_MB = 64.0
"""What the process may take more at the end than after its first life: allocators keep some."""
IDLE = ("sleep", "1000000")
"""It has the pipes of an agent, and says nothing by itself."""


class Log(logging.Handler):
    """The acp library logs each exception that it catches; none may be among them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


class Life:
    """An agent, from its handshake to its end."""

    def __init__(self, agent: Agent, pipes: Pipes, rng: Random, out: Out, session: str) -> None:
        self._agent, self._pipes, self._rng, self._out = agent, pipes, rng, out
        self._session = session
        self._mutations = Mutations(rng, session)
        self._said: dict[str, list[dict[str, Any]]] = {}
        self._skipped = agent.skipped
        self._ear: Ear | None = None
        self._prompts = 1
        self._batches = 0
        self.oversized = 0

    async def play(self, inputs: int) -> None:
        while inputs > 0:
            await self._batch(min(BATCH, inputs))
            inputs -= BATCH

    def _model(self) -> Model:
        model = Model(self._session, LINE_LIMIT, prompt_id=self._prompts, said=self._said)
        self._mutations.prompt_id = self._prompts
        return model

    async def _prompt(self, model: Model) -> Ear:
        """The next prompt, once the last one has its answer."""
        ear = Ear(self._agent, self._rng, model, self._out)
        self._prompts += 1
        model.prompt_id = self._mutations.prompt_id = self._prompts
        self._agent.prompt(self._session, "hello", ear)
        message = await self._pipes.read()
        if (message.get("method"), message.get("id")) != ("session/prompt", self._prompts):
            raise Found(f"No prompt was sent, but {message!r:.1000}")
        return ear

    async def _batch(self, count: int) -> None:
        model = self._model()
        ear = await self._prompt(model)
        data = b"".join(self._mutations.input() for _ in range(count))
        self._batches += 1
        mark = f"end of batch {self._batches}"
        sentinel = json.dumps({"jsonrpc": "2.0", "id": mark, "method": "fuzz/end"}).encode()
        for line in (*data.split(b"\n"), sentinel):
            model.take(line)
        for piece in self._pieces(data + b"\n" + sentinel + b"\n"):
            await self._pipes.write(piece)
        answers = await self._answers(model, ear, mark)
        self._check(model, ear, answers)
        self._out.inputs += count
        self._out.size += len(data)
        self._out.kinds += model.kinds
        if model.prompted:
            await self._end_prompt(ear)
        if ear.problem:
            raise Found(ear.problem)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """In one piece, in some of any size, or a stretch of it byte by byte."""
        most = self._rng.choice((len(data), len(data), len(data), 20_000, 3_000, 300, 1))
        at, tiny_end = 0, self._rng.randrange(len(data)) + 200
        while at < len(data):
            if most > 1:
                size = self._rng.randrange(1, most + 1)
            else:
                size = 1 if tiny_end - 400 <= at < tiny_end else len(data)
                size = min(size, tiny_end - 400 - at) if at < tiny_end - 400 else size
            yield data[at : at + size]
            at += size

    async def _answers(self, model: Model, ear: Ear, mark: str) -> list[dict[str, Any]]:
        """All that is answered in a batch: what is open is answered when everything has been read."""
        answers: list[dict[str, Any]] = []
        owed = model.owed.total()
        while not any(answer.get("id") == mark for answer in answers):
            answers.append(await self._pipes.read())
        ear.answer_the_rest()
        while len(answers) < owed:
            answers.append(await self._pipes.read())
        return answers

    def _check(self, model: Model, ear: Ear, answers: list[dict[str, Any]]) -> None:
        given = Counter((type(answer.get("id")), answer.get("id")) for answer in answers)
        if given != model.owed:
            raise Found(f"Owed, not given: {model.owed - given}; given, not owed: {given - model.owed}")
        told = [item for item in ear.items if not isinstance(item, TakenBack)]
        if told and isinstance(told[-1], PromptResult | Broken):
            if model.prompted:
                raise Found(f"The prompt ended by itself: {told[-1]!r:.1000}")
            told.pop()
        elif not model.prompted:
            raise Found("The prompt's answer is lost")
        heard = [None if isinstance(item, Asking) else item for item in told]
        if heard != model.items:
            raise Found(f"Heard {heard!r:.3000}\ninstead of {model.items!r:.3000}")
        keys = [asking.key for asking in ear.askings]
        back = [keys.index(item.key) for item in ear.items if isinstance(item, TakenBack)]
        if back != model.withdrawn(ear.at_once):
            raise Found(f"Taken back: {back}, not {model.withdrawn(ear.at_once)}")
        skipped = self._agent.skipped - self._skipped
        self._skipped = self._agent.skipped
        self.oversized += model.oversized
        if skipped != model.skipped:
            raise Found(f"{skipped} lines were counted as skipped, not {model.skipped}")
        ear.judge()
        ear.read_all()

    async def _end_prompt(self, ear: Ear) -> None:
        result = {"jsonrpc": "2.0", "id": self._prompts, "result": {"stopReason": "end_turn"}}
        await self._pipes.write(json.dumps(result).encode() + b"\n")
        await ear.ended.wait()

    async def end(self) -> None:
        """In the midst of a line, perhaps: the prompt hears of it, once, and nothing after it."""
        model = self._model()
        ear = await self._prompt(model)
        await self._pipes.write(self._mutations.input()[: self._rng.randrange(200)].replace(b"\n", b" "))
        await self._agent.kill()
        await ear.ended.wait()
        ends = [item for item in ear.items if isinstance(item, Broken)]
        if len(ends) != 1 or not isinstance(ends[0].error, AgentGoneError) or ear.items[-1] is not ends[0]:
            raise Found(f"The end was not told once: {ear.items!r:.2000}")


@asynccontextmanager
async def _living(rng: Random, out: Out) -> AsyncIterator[Life]:
    async with anyio.create_task_group() as tasks:
        child = await spawn(tasks, IDLE, {"PATH": os.environ["PATH"]}, Path("/"), line_limit=LINE_LIMIT)
        pipes = Pipes(child.pid)
        try:
            agent = await _greeted(child, pipes)
            report = await _answered(pipes, agent.open_session("/w"), SESSION_RESULT)
            life = Life(agent, pipes, rng, out, report.session_id or "")
            yield life
            if child.oversized != life.oversized:
                raise Found(f"{child.oversized} lines were counted as too long, not {life.oversized}")
        finally:
            await child.kill()
            pipes.close()


async def _greeted(child: Any, pipes: Pipes) -> Agent:  # noqa: ANN401 (a Child)
    agent: Agent = await _answered(pipes, Agent.start(child), {"protocolVersion": 1})
    return agent


async def _answered(pipes: Pipes, work: Any, result: dict[str, Any]) -> Any:  # noqa: ANN401 (a coroutine)
    task = asyncio.ensure_future(work)
    request = await pipes.read()
    await pipes.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode() + b"\n")
    return await task


async def live(seed: int, number: int, inputs: int, out: Out) -> None:
    """One life."""
    rng = Random(f"wire {seed} {number}")  # noqa: S311 (to be repeated, not to be secret)
    tasks = asyncio.all_tasks()
    with anyio.fail_after(WAIT_S + inputs / 100):
        async with _living(rng, out) as life:
            await life.play(inputs)
            await life.end()
    await asyncio.sleep(0)
    if left := asyncio.all_tasks() - tasks:
        raise Found(f"Tasks are left: {left}")


def fuzz(inputs: int, seed: int, first: int = 0) -> Out:
    """That many inputs, from that life on. What is found is told in `failed`; nothing is raised."""
    out, log = Out(), Log()
    logging.getLogger().addHandler(log)
    try:
        for number in range(first, first + -(-inputs // LIFE)):
            problem = _one(seed, number, min(LIFE, inputs - (number - first) * LIFE), out)
            problem = "\n".join((*filter(None, (problem,)), *log.lines[:5]))
            log.lines.clear()
            if problem:
                out.failed.append(f"life {number}: {problem}\nAgain: {_again(seed, number)}")
            out.memory_mb.append(resident_mb())
    finally:
        logging.getLogger().removeHandler(log)
    return out


def _one(seed: int, number: int, inputs: int, out: Out) -> str:
    try:
        asyncio.run(live(seed, number, inputs, out))
    except Exception as error:  # noqa: BLE001 (told, with how to see it again)
        one = alone(error)
        return f"{type(one).__name__}: {one}"
    return ""


def _again(seed: int, number: int) -> str:
    return f"python -m tests.soak.fuzz_wire --seed {seed} --first {number} --inputs {LIFE}"


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main(arguments: list[str]) -> int:
    """Print what came out. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.fuzz_wire", description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="the number of the first life")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    out = fuzz(options.inputs, options.seed, options.first)
    grown = out.memory_mb[-1] - out.memory_mb[0]
    if grown > GROWTH_MB:
        out.failed.append(f"memory grew by {grown:.0f} MB")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    memory = " and ".join(f"{out.memory_mb[n]:.0f} MB" for n in (0, -1))
    lines = [
        *out.failed,
        f"inputs:    {out.inputs:,} ({out.size / 1e6:,.0f} MB) in {time.monotonic() - began:.0f} s",
        f"seed:      {options.seed}, {len(out.memory_mb)} lives from {options.first} on",
        f"memory:    {memory} after the first life and the last, {peak_mb:.0f} MB at the peak",
        f"failures:  {len(out.failed)}",
        f"lines:     {out.kinds.total():,}",
        *(f"           {count:>9,} {kind}" for kind, count in out.kinds.most_common()),
        f"allowable: {out.allowed:,} requests, by one setting at least",
    ]
    sys.stdout.write("\n".join((*lines, "")))
    return 1 if out.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

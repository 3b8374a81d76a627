"""A debate as one self-contained HTML page: no script, nothing fetched. Pure.

What Claude and Codex wrote is Markdown from models: raw HTML in it stays text, images are not loaded, and
the page forbids itself everything but its own style (`page.css`, written into it).
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

from codex_fusion import verdict
from codex_fusion.wording import duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token
    from markdown_it.utils import OptionsDict

    from codex_fusion.debates import Debate, Decided, Round

TITLE = 160
"""Characters of the question that are the page's heading."""
STEPS = 8
"""Lines of what Codex did that are not folded away."""
MINUTE_S = 60
"""Seconds below which their fraction is worth telling."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_DIFF = {"+": "added", "-": "removed", "@": "place"}
"""What a line of a diff begins with → its class."""
_FATES = {"allowed": "good", "denied": "bad"}
"""What became of a permission, by its first word → its class."""


def html(debate: Debate, when: str) -> str:
    """The page; `when` is the debate's beginning, in the reader's words."""
    title = escape(debate.title or "A debate")
    rounds = "".join(_round(number, played, debate.asker) for number, played in enumerate(debate.rounds, 1))
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="referrer" content="no-referrer">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_style()}</style></head><body>"
        f"{_header(debate, when)}{_overview(debate.rounds)}<main>{rounds}</main>"
        f"<footer>Kept by codex-fusion as {escape(debate.id)}.</footer></body></html>\n"
    )


def _style() -> str:
    return files("codex_fusion").joinpath("page.css").read_text(encoding="utf-8")


# The whole debate


def _header(debate: Debate, when: str) -> str:
    rounds = debate.rounds
    work = duration(sum(played.seconds for played in rounds))
    tokens = sum(played.tokens for played in rounds)
    facts = (
        ("Workspace", debate.workspace),
        ("Agent", debate.agent),
        ("How Codex was held", debate.confinement),
        (
            "In all",
            f"{len(rounds)} round{'' if len(rounds) == 1 else 's'}, {work} of work, {tokens:,} tokens",
        ),
    )
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(fact)}</dd></div>" for name, fact in facts if fact)
    return (
        f'<header><p class="kind">{escape(debate.asker)} and Codex debated<span>{escape(when)}</span></p>'
        f"<h1>{_title(debate)}</h1>{_end(rounds)}<dl>{listed}</dl></header>"
    )


def _title(debate: Debate) -> str:
    lines = debate.rounds[0].asked.splitlines() if debate.rounds else ()
    first = next((line for line in (line.strip("#>*- \t") for line in lines) if line), "A debate")
    return _inline(first if len(first) <= TITLE else f"{first[: TITLE - 1]}…")


def _end(rounds: Sequence[Round]) -> str:
    """What it came to."""
    return f'<div class="end">{_result(rounds[-1])}</div>' if rounds else ""


def _overview(rounds: Sequence[Round]) -> str:
    """Each round in a row, with its time and its tokens drawn beside the largest of all."""
    if not rounds:
        return ""
    longest = max(played.seconds for played in rounds)
    largest = max(played.tokens for played in rounds)
    rows = "".join(
        f'<tr><th scope="row"><a href="#round-{number}">{number} {escape(played.tool)}</a></th>'
        f"<td>{_result(played)}</td>{_cost(_seconds(played), played.seconds, longest)}"
        f"{_cost(f'{played.tokens:,}', played.tokens, largest)}</tr>"
        for number, played in enumerate(rounds, 1)
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Round", "Result", "Time", "Tokens"))
    return f'<nav aria-label="Rounds"><table class="overview"><tr>{heads}</tr>{rows}</table></nav>'


def _cost(told: str, value: float, largest: float) -> str:
    share = 100 * value / largest if largest > 0 else 0
    bar = f'<span class="bar"><i style="width:{share:.0f}%"></i></span>'
    return f'<td class="cost"><span>{told}</span>{bar}</td>'


def _seconds(played: Round) -> str:
    return f"{played.seconds:.1f} s" if played.seconds < MINUTE_S else duration(played.seconds)


# One round


def _round(number: int, played: Round, asker: str) -> str:
    name = f"round-{number}"
    cost = f"{_seconds(played)} · {played.tokens:,} tokens"
    return (
        f'<section id="{name}" aria-labelledby="{name}-name">'
        f'<div class="head"><h2 id="{name}-name">Round {number}<span>{escape(played.tool)}</span></h2>'
        f"{_badge(played)}<span>{cost}</span></div>"
        f'<div class="sides"><div class="left">{_side("claude", escape(asker), _text(played.asked))}'
        f"{_permissions(played)}{_activity(played)}</div>{_codex(played)}</div></section>"
    )


def _codex(played: Round) -> str:
    answer = played.answer.rstrip()
    body, _, last = answer.rpartition("\n")
    if played.verdict and verdict.read(last) is not None:
        answer = body  # it is shown below, as what it is
    result = _result(played) if played.verdict or played.status != "answered" else ""
    return _side("codex", "Codex", (_text(answer) if answer.strip() else "") + result)


def _side(who: str, name: str, content: str) -> str:
    return f'<div class="side {who}"><h3>{name}</h3>{content}</div>'


def _result(played: Round) -> str:
    """The verdict, or what went wrong, with its badge."""
    told = _inline(played.point) if played.verdict else escape(played.problem)
    return f'<p class="result">{_badge(played) or _pill("answered", "faint")} {told}</p>'


def _badge(played: Round) -> str:
    if played.verdict:
        return _pill(played.verdict, "good" if played.verdict == "consensus" else "open")
    return _pill(played.status, "bad") if played.status != "answered" else ""


def _pill(word: str, tone: str) -> str:
    return f'<b class="pill {tone}">{escape(word)}</b>'


def _permissions(played: Round) -> str:
    if not played.decided:
        return ""
    listed = "".join(_permission(decided, played.activity) for decided in played.decided)
    return f'<div class="asked"><h3>Codex asked for</h3><ul>{listed}</ul></div>'


def _permission(decided: Decided, activity: Sequence[str]) -> str:
    tone = _FATES.get(decided.fate.partition(" ")[0], "faint")
    said = (f"{word} {decided.request}: {decided.what} — " for word in _FATES)
    notes = (line.removeprefix(start) for start in said for line in activity if line.startswith(start))
    note = next(notes, "")
    return (
        f"<li><span>{escape(decided.request)}</span><code>{escape(decided.what)}</code>"
        f"<p>{_pill(decided.fate, tone)}{f' “{escape(note)}”' if note else ''}</p></li>"
    )


def _activity(played: Round) -> str:
    if not played.activity:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in played.activity)
    count = len(played.activity)
    label = f"What Codex did: {count} step{'' if count == 1 else 's'}"
    shown = " open" if count <= STEPS else ""
    return f"<details{shown}><summary>{label}</summary><ol>{lines}</ol></details>"


# Markdown


def _fence(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Mapping[str, Any]
) -> str:
    """A block of code; the lines of a diff are told apart. It can be scrolled by keyboard."""
    del renderer, options, env
    token = tokens[index]
    lines = token.content.splitlines()
    if token.info.strip().partition(" ")[0] == "diff":
        shown = "\n".join(_diff_line(line) for line in lines)
    else:
        shown = "\n".join(map(escape, lines))
    return f'<pre tabindex="0"><code>{shown}</code></pre>\n'


def _diff_line(line: str) -> str:
    kind = _DIFF.get(line[:1])
    return f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line)


def _heading(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: Mapping[str, Any]
) -> str:
    """A heading of an answer stands below ours."""
    del renderer, options, env
    return f"<{'/' if tokens[index].nesting < 0 else ''}h4>"


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    for rule, shown in (
        ("fence", _fence),
        ("code_block", _fence),
        ("heading_open", _heading),
        ("heading_close", _heading),
    ):
        reader.add_render_rule(rule, shown)
    return reader


_MARKDOWN = _reader()


def _text(markdown: str) -> str:
    return str(_MARKDOWN.render(markdown))


def _inline(markdown: str) -> str:
    return str(_MARKDOWN.renderInline(markdown))

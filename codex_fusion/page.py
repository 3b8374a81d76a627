"""A debate as one self-contained HTML page: no script, nothing fetched. Pure.

What Claude and Codex wrote is Markdown from models: raw HTML in it stays text, images are not loaded, and
the page forbids itself everything but its own style (`page.css`, written into it).
"""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from codex_fusion.debates import Debate, Round

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def html(debate: Debate, when: str) -> str:
    """The page; `when` is the debate's beginning, in the reader's words."""
    longest = max((played.seconds for played in debate.rounds), default=0.0)
    largest = max((played.tokens for played in debate.rounds), default=0)
    rounds = "".join(_round(n, r, longest, largest) for n, r in enumerate(debate.rounds, 1))
    seconds = sum(played.seconds for played in debate.rounds)
    tokens = sum(played.tokens for played in debate.rounds)
    count = len(debate.rounds)
    facts = (
        when,
        debate.workspace,
        debate.agent,
        f"{count} round{'' if count == 1 else 's'}",
        f"{seconds:.1f} s of work",
        f"{tokens:,} tokens",
    )
    title = escape(debate.title or "A debate")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="referrer" content="no-referrer">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_style()}</style></head><body>"
        f'<header><h1>{title}</h1><div class="faint">{escape(" · ".join(f for f in facts if f))}</div>'
        f'<div class="faint">{escape(debate.confinement)}</div></header>{rounds}</body></html>\n'
    )


def _style() -> str:
    return files("codex_fusion").joinpath("page.css").read_text(encoding="utf-8")


def _round(number: int, played: Round, longest: float, largest: int) -> str:
    head = (
        f"<h2>Round {number} · {escape(played.tool)}</h2>{_badge(played)}"
        f'<span class="cost">{_cost(f"{played.seconds:.1f} s", played.seconds, longest)}'
        f"{_cost(f'{played.tokens:,} tokens', played.tokens, largest)}</span>"
    )
    answer = _side("codex", "Codex", played.answer) if played.answer else ""
    point = f'<p class="point">{escape(played.point)}</p>' if played.verdict and played.point else ""
    problem = f'<p class="bad">{escape(played.problem)}</p>' if played.problem else ""
    return (
        f'<section class="round"><div class="head">{head}</div>{point}{problem}'
        f'<div class="sides">{_side("claude", "Claude", played.asked)}{answer}</div>'
        f"{_permissions(played)}{_activity(played)}</section>"
    )


def _side(who: str, name: str, text: str) -> str:
    return f'<div class="side {who}"><h3>{name}</h3>{_MARKDOWN.render(text)}</div>'


def _badge(played: Round) -> str:
    if played.verdict:
        kind = escape(played.verdict)
        return f'<span class="badge {kind}">{kind.upper()}</span>'
    if played.status != "answered":
        return f'<span class="badge bad">{escape(played.status)}</span>'
    return ""


def _cost(told: str, value: float, largest: float) -> str:
    """A number, and its bar beside the largest one of the debate."""
    share = 100 * value / largest if largest > 0 else 0
    return f'<span>{told}</span><span class="bar"><i style="width:{share:.0f}%"></i></span>'


def _permissions(played: Round) -> str:
    if not played.decided:
        return ""
    rows = "".join(
        f"<tr><td>{escape(d.request)}</td><td><code>{escape(d.what)}</code></td><td>{escape(d.fate)}</td></tr>"
        for d in played.decided
    )
    return f"<table><tr><th>request</th><th>what Codex asked for</th><th>decided</th></tr>{rows}</table>"


def _activity(played: Round) -> str:
    if not played.activity:
        return ""
    lines = "".join(f"<li>{escape(line)}</li>" for line in played.activity)
    count = len(played.activity)
    label = f"What Codex did: {count} step{'' if count == 1 else 's'}"
    return f'<details><summary>{label}</summary><ol class="did">{lines}</ol></details>'

"""The form by which a person is asked to decide a permission request, and what an answer to it says. Pure.

A person judges what is shown, so nothing in it may act on the screen, or pass for a line of ours: control
characters are written out, and Claude's words stand on one line. Nothing is taken out of it, not even what
looks like a key: what is left out of a command can't be judged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codex_fusion import policy
from codex_fusion.render import request_text
from codex_fusion.wording import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_fusion.outcome import OpenRequest

NOTE_SHOWN = 10_000
"""Characters of Claude's note that the form shows."""
_ONCE = "Allow is for this one request only; with deny, Codex is told your note. Declining decides nothing."
_NO_ALLOW = "It can only be denied: the agent offers no way to allow it only once."


@dataclass(frozen=True, slots=True)
class Proposal:
    """What Claude asked for, in its call of `permit`."""

    allow: bool
    note: str | None

    @property
    def word(self) -> str:
        """The decision in one word."""
        return "allow" if self.allow else "deny"


@dataclass(frozen=True, slots=True)
class Form:
    """What a client is to show, and the JSON schema of what it may send back."""

    message: str
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client sent back: `accept`, `decline` or `cancel`, or anything else; with what was filled in."""

    action: str
    content: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided."""

    allow: bool
    note: str | None


def told(asked: OpenRequest) -> str:
    """What a person is told by Claude's own call, where the client shows nothing else: all of a command."""
    tool = asked.request.tool
    return asked.what if tool.command is None or tool.changes else tool.command


def form(asked: OpenRequest, proposal: Proposal) -> Form:
    """The form for an open request. There is no default: who only confirms it has decided nothing."""
    can_allow = policy.grant(asked.request) is not None
    parts = [f"Codex asks for a permission. Claude proposes: {proposal.word}.", "", request_text(asked), ""]
    if proposal.note:
        parts.append(f"Claude's note: {one_line(proposal.note, NOTE_SHOWN)}")
    parts.append(_ONCE if can_allow else _NO_ALLOW)
    choices = ["deny", "allow"] if can_allow else ["deny"]
    schema = {
        "type": "object",
        "properties": {
            "decision": {"type": "string", "title": "Decision", "enum": choices},
            "note": {"type": "string", "title": "Note to Codex (optional)"},
        },
        "required": ["decision"],
    }
    return Form(printable("\n".join(parts)), schema)


def read(answer: Answer) -> Decision | None:
    """The person's decision; None: there is none, so nothing may be decided."""
    content = answer.content if answer.action == "accept" else None
    if not content or content.get("decision") not in ("allow", "deny"):
        return None
    note = content.get("note")
    told = note.strip() if isinstance(note, str) else ""
    return Decision(content["decision"] == "allow", told or None)


def undecided(answer: Answer) -> str:
    """Why there is no decision, in a few words."""
    match answer.action:
        case "decline":
            return "the person declined to decide"
        case "cancel":
            return "the person dismissed the form, or nobody was there to answer it"
        case "accept":
            return "the form came back without a decision"
    return f"the client could not ask ({one_line(answer.action)})"

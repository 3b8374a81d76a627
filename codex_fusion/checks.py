"""What `doctor` finds, one check at a time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How a check came out."""

    OK = "ok"
    ADVICE = "advice"
    """Worth knowing; Codex can be asked all the same."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. `remedy` says what to do where it is not ok."""

    name: str
    severity: Severity
    says: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs; names are not changed, only added."""
        return {
            "name": self.name,
            "ok": self.severity is not Severity.FAILED,
            "severity": self.severity.value,
            "says": self.says,
            "remedy": self.remedy,
        }


def ok(name: str, says: str) -> Check:
    """All is well."""
    return Check(name, Severity.OK, says)


def advice(name: str, says: str, remedy: str) -> Check:
    """Not as it could be."""
    return Check(name, Severity.ADVICE, says, remedy)


def failed(name: str, says: str, remedy: str = "") -> Check:
    """Codex can't be asked like this, or not safely."""
    return Check(name, Severity.FAILED, says, remedy)

"""When a line of progress goes out. Pure: the caller brings the clock and sends the lines.

Claude Code 2.1 shows each progress message in place of the one before, so a message is always a
whole, readable state; bursts are coalesced, and the last state is always sent.
"""

from __future__ import annotations

MIN_INTERVAL_S = 0.25
"""Messages do not follow each other faster than this: a rate that can be read."""
HEARTBEAT_S = 8.0
"""After this much silence a heartbeat says how long, and what was last seen."""
ACTIVITY_SHOWN = 4
"""Lines of activity that one message shows; of more, the count."""


class Progress:
    """The progress of one call: `show` what happened, `take` what is due."""

    def __init__(
        self, now: float, *, min_interval_s: float = MIN_INTERVAL_S, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._min_interval_s = min_interval_s
        self._heartbeat_s = heartbeat_s
        self._began = now
        self._sent = now - min_interval_s
        self._heard = now
        self._activity: list[str] = []
        self._unseen = 0
        """Lines of activity that the next message has no room for."""
        self._state: str | None = None
        self.doing = "starting"

    def show(self, line: str, now: float) -> None:
        """Something happened: activity lines are all told, running text replaces itself."""
        self._heard = now
        if line.startswith("↳"):
            self._activity.append(line)
            if len(self._activity) > ACTIVITY_SHOWN:  # kept no longer: a slow reader must not fill our memory
                del self._activity[0]
                self._unseen += 1
            self._state = None
        else:
            self._state = line

    @property
    def waiting(self) -> bool:
        """Whether there is anything that was not sent yet."""
        return bool(self._activity) or self._state is not None

    @property
    def due(self) -> float:
        """When `take` will next have something to say."""
        return self._sent + (self._min_interval_s if self.waiting else self._heartbeat_s)

    def take(self, now: float, *, final: bool = False) -> str | None:
        """The message that is due now; `final`: whatever was not sent yet, without a wait."""
        if not final and now < self.due:
            return None
        if self.waiting:
            message = self._compose()
        elif final:
            return None
        else:
            message = f"⏳ {now - self._began:.0f} s · {now - self._heard:.0f} s silent · last: {self.doing}"
        self._sent = now
        return message

    def _compose(self) -> str:
        more = [f"↳ ({self._unseen} more)"] if self._unseen else []
        state = [self._state] if self._state is not None else []
        message = "\n".join((*more, *self._activity, *state))
        self._activity, self._unseen, self._state = [], 0, None
        return message

"""A debate that has everything a page can show; for looking at it, and for tests of what holds for any."""

from __future__ import annotations

from codex_fusion.debates import Debate, Decided, Round

BEGAN = 1_795_266_180.0
FETCH = "run `curl -sS https://gateway.example/docs/api/v2/payments/idempotency-and-retries.html`"

QUESTION = """\
Our payment client times out under load. Is it safe to retry `POST /payments` up to 3 times?

What you can't see: the gateway is a third party's. Its documentation promises *at-least-once* delivery of
webhooks, and says nothing of repeated requests.
"""
ANSWER = """\
No, not as it stands.

1. **A timeout is not a failure.** It says only that no answer came. If the gateway booked the first attempt,
   a retry books a second one.
2. **Each attempt gets an id of its own.** `payments/client.py:41` calls `uuid4()` inside the loop, so the
   gateway can't see that three attempts are one payment:

   ```python
   for attempt in range(RETRIES):
       headers = {"X-Request-Id": str(uuid4()), "Content-Type": "application/json", "User-Agent": AGENT}
       response = self._http.post("/payments", json=payment.as_json(), headers=headers, timeout=30)
   ```

3. **No test covers it.** I ran them: 14 passed, but none lets the gateway succeed after the client gave up.

| what happens | first attempt | retry | charged |
|---|---|---|---:|
| the request is lost | not booked | booked | once |
| the *answer* is lost | booked | booked | **twice** |

VERDICT: OPEN — safe only if all attempts of one payment carry the same idempotency key
"""
COUNTER = """\
Line 41 is only the trace id. The `Idempotency-Key` is made once per payment, at `payments/client.py:28`,
outside the retry loop, and the gateway drops repeats of a key. Does the objection still hold?
"""
CONCESSION = """\
I concede the main point: line 28 makes the key before the loop, and line 41 is the trace id. All attempts
share one key, so a late success is not charged again.

One thing I hold: gateways forget keys after a while. Bound the retries by **time**, and not only by count:

```diff
-for attempt in range(RETRIES):
+for attempt in until(RETRIES, within_s=60):
```

> Add the test that is missing: the gateway answers after the client gave up.

VERDICT: CONSENSUS — retry with the one key, 3 attempts within a minute, plus the late-success test
"""

DEBATE = Debate(
    id="20261121-130300-5f3a9c",
    workspace="/home/sam/src/payments",
    agent="@agentclientprotocol/codex-acp 2.6.0, Codex 0.166.0, model gpt-5.5, medium effort",
    confinement="strict, by Codex's own sandbox: Codex's commands can read the workspace and the system's "
    "tools, write nothing, and reach no network",
    rounds=(
        Round(
            turn=1,
            tool="consult",
            status="answered",
            asked=QUESTION,
            answer=ANSWER,
            began=BEGAN,
            seconds=48.2,
            tokens=31_870,
            verdict="open",
            point="safe only if all attempts of one payment carry the same idempotency key",
            activity=(
                "starting the agent: installed",
                "Read file 'payments/client.py'",
                "Read file 'payments/gateway.py'",
                "Search 'Idempotency|retry' in payments",
                "asks r1: run `pytest -q tests/test_client.py`",
                "allowed r1: run `pytest -q tests/test_client.py` — The tests only write their own cache.",
                "runs `pytest -q tests/test_client.py`",
                f"asks r2: {FETCH}",
                f"denied r2: {FETCH} — No network. Its documentation says nothing of repeats.",
            ),
            decided=(
                Decided("r1", "run `pytest -q tests/test_client.py`", "allowed by Claude"),
                Decided(
                    "r2",
                    FETCH,
                    "denied by Claude",
                ),
            ),
        ),
        Round(
            turn=2,
            tool="reply",
            status="failed",
            asked=COUNTER,
            answer="",
            began=BEGAN + 90,
            seconds=6.1,
            tokens=0,
            problem="The model's service answered 503: overloaded.",
        ),
        Round(
            turn=3,
            tool="reply",
            status="answered",
            asked=COUNTER,
            answer=CONCESSION,
            began=BEGAN + 140,
            seconds=19.4,
            tokens=34_212,
            verdict="consensus",
            point="retry with the one key, 3 attempts within a minute, plus the late-success test",
            activity=("Read file 'payments/client.py'",),
        ),
    ),
)

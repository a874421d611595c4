"""Longest time that one request holds the event loop: ``python -m benchmarks.stalls`` prints ms of processor time.

A ticker runs at every iteration of the loop and records the processor time of the loop's thread since the last one. The
time of worker threads and other processes is not counted.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from pathlib import Path
from typing import Any, Final, Self

from authguard import AuthGuard
from authguard.testing import FakeClock, Mint

POLICY: Final = """\
authguard: 1
name: stalls
extends: standard
issuers: [{issuer: https://issuer.test, audience: https://agent.test, algorithms: [ES256], keys: {file: keys.json}}]
accounts: none
operations:
  - name: buy
    match: {path: /buy, method: POST}
    risk: sensitive
    effect: write
    scopes: [pay]
    amount: {at: /amount, currency: {at: /currency}}
    limits: [{amount: 1000000000 EUR, per: 1d}]
  - {name: pay, match: {path: /pay, method: POST}, risk: high, effect: write, scopes: [pay]}
assurance: {order: [aal1, aal2]}
identity: {credential: aal2}
budget: {request: 60s}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""
PAID: Final = '"amount": 1, "currency": "EUR"'
#: request -> its body
BODIES: Final = {
    "a payment": f"{{{PAID}}}",
    "8 KiB of numbers": f'{{{PAID}, "more": [{",".join(["0.12345"] * 1000)}]}}',
    "100 KiB of numbers": f'{{{PAID}, "more": [{",".join(["0.12345"] * 12_500)}]}}',
    "49,000 numbers": f'{{{PAID}, "more": [{",".join(["0.12345"] * 49_000)}]}}',
    "1 MiB of numbers (413)": f'{{{PAID}, "more": [{",".join(["0.12345"] * 130_000)}]}}',
    "1 MiB of one text": f'{{{PAID}, "more": {json.dumps("é" * 520_000, ensure_ascii=False)}}}',
    "40,000 members": f"{{{PAID}, {','.join(f'{json.dumps(str(n))}: {n}' for n in range(40_000))}}}",
}


class Stalls:
    """Notes the longest turn of the loop while a `with` block runs."""

    longest: float = 0.0

    async def __aenter__(self) -> Self:
        """Start the ticker."""
        self._ticking = asyncio.create_task(self._tick())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the ticker."""
        await asyncio.sleep(0)
        self._ticking.cancel()

    async def _tick(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - before)


async def app(_scope: Any, _receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Answer 200."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


async def ask(guard: AuthGuard, token: str, path: str, body: bytes, key: str) -> int:
    """Send one request and return its status."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [
            (b"host", b"agent.test"),
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            (b"idempotency-key", key.encode()),
        ],
        "state": {},
    }
    waiting = [{"type": "http.request", "body": body, "more_body": False}]
    got: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401 - ASGI
        return waiting.pop() if waiting else await asyncio.Event().wait()

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI
        got.append(message)

    await guard(scope, receive, send)
    return int(got[0]["status"])


async def measure(rounds: int = 5) -> dict[str, float]:
    """Return the longest turn of the loop for each body, milliseconds; the least of several rounds."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), FakeClock()
        mint = Mint.create(clock)
        (folder / "policy.yaml").write_text(POLICY, "utf-8")
        (folder / "keys.json").write_text(json.dumps(mint.jwks("ES256")), "utf-8")
        guard = AuthGuard(
            app,
            folder / "policy.yaml",
            store=folder / "store.db",
            audit_log=folder / "audit.jsonl",
            clock=clock,
            environ={},
        )
        token = mint.mint(scope="pay", acr="aal2")
        await ask(guard, token, "/buy", b"{}", "warm")
        for words, body in BODIES.items():
            for path in ("/buy", "/pay"):
                turns = []
                for number in range(rounds):
                    async with Stalls() as stalls:
                        await ask(guard, token, path, body.encode(), f"{words}{number}".replace(" ", "-"))
                    turns.append(stalls.longest * 1e3)
                found[f"{words}, {path}"] = min(turns)
    return found


def main() -> None:
    """Print a row for each body."""
    for words, milliseconds in asyncio.run(measure()).items():
        print(f"{words:40} {milliseconds:8.2f} ms")


if __name__ == "__main__":
    main()

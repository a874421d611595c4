"""Attacks on who is who in what the guard itself writes and counts, and on what a failed start leaves behind."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import ask, attack
from tests.attacks.names import HEAD, ok
from tests.attacks.people import token_of, two_issuers

if TYPE_CHECKING:
    from tests.attacks.harness import Site

CHAT: Final = "  - {name: chat, match: {path: /chat, method: GET}, risk: routine, effect: read, scopes: [chat]}"


@attack(13)
def two_people_are_one_in_a_log_of_names(site: Site) -> None:
    """Sign in at a partner's issuer under a customer's subject, where the log calls people by their names."""
    partner = two_issuers(site, CHAT, "audit: {subjects: plain}\n")

    async def run() -> None:
        guard = site.guard(ok)
        for mint in (site.mint, partner):
            assert (await ask(guard, "GET", "/chat", token_of(mint, "alice"))).status == 200
        await guard.enforcer.close()

    asyncio.run(run())
    lines = [json.loads(line) for line in (site.folder / "audit.jsonl").read_text("utf-8").splitlines()]
    subjects = {line["subject"] for line in lines if line.get("kind") == "decision"}
    assert len(subjects) == 2, f"the log calls both {subjects}"


@attack(13)
def a_start_that_failed_keeps_the_log(site: Site) -> None:
    """Let a start fail for want of a key, mend it, and start again: the log must go on in its own file."""
    site.policy(f"{HEAD}operations:\n{CHAT}\n")
    keys = site.folder / "keys.json"
    kept = keys.read_bytes()

    async def start(guard: Any, *, then: str) -> None:
        messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        said: list[str] = []

        async def receive() -> Any:
            return messages.pop(0)

        async def send(message: Any) -> None:
            said.append(message["type"])

        with suppress(Exception):
            await guard({"type": "lifespan"}, receive, send)
        assert said[:1] in ([f"lifespan.startup.{then}"], []), f"the start said {said}"

    async def run() -> None:
        broken = site.guard(ok)
        keys.write_bytes(b"{}")
        await start(broken, then="failed")
        keys.write_bytes(kept)
        await start(site.guard(ok), then="complete")

    asyncio.run(run())
    chains = sorted(path.name for path in site.folder.glob("audit*.jsonl"))
    assert chains == ["audit.jsonl"], f"the failed start still holds the log: the next one wrote {chains}"

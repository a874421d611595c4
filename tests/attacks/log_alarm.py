"""False alarms: whoever hears "tampered" of an honest log learns to disregard it, and an attacker counts on that."""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from tests.attacks.harness import Site, ask, attack
from tests.attacks.log_keyless import verify
from tests.attacks.log_warm import POLICY

#: bytes that the disk has left: less than a line
ROOM: Final = 60


@attack(14)
def a_full_disk_is_told_as_tampering(site: Site) -> None:
    """Fill the disk of a running app in the middle of a line, and have its log verified before anybody asks again."""
    site.policy(POLICY)
    log = site.folder / "audit.jsonl"

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def run() -> None:
        guard = site.guard(app, store=site.folder / "authguard.db")
        token = site.token()
        for _ in range(4):
            assert (await ask(guard, "POST", "/read", token, body=b"{}")).status == 200
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + ROOM, hard))
        try:
            assert (await ask(guard, "POST", "/read", token, body=b"{}")).status != 200, "it was admitted unrecorded"
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert not log.read_bytes().endswith(b"\n"), "the disk was not full"
        done = verify(site, log)
        await guard.enforcer.close()
        assert done.code == 0, f"exit {done.code}: {done.err.splitlines()[:1]}"

    asyncio.run(run())
    assert verify(site, log).code == 0

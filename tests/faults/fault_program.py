"""Inject each fault around a guard in a separate process. Run as a program.

``python -m tests.faults.fault_program FOLDER [TROUBLE...]`` prints what was seen as JSON, and what must not have been.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from authguard.testing import IdentityProvider
from tests.faults.app import LOG, STORE, House
from tests.faults.fault_cases import TROUBLES, Trouble
from tests.faults.fault_injection import LOGS, VAULT
from tests.faults.fault_scenario import Scene
from tests.faults.kill_program import VERDICT, forked, import_all
from tests.support.harness import ISSUER


async def live_through(trouble: Trouble, house: House) -> list[Any]:
    """Let it happen; hold what was seen against the promises."""
    scene = Scene(house, house.settings.get("audit_log", LOG))
    await trouble.act(scene)
    await house.guard.enforcer.close()
    seen = scene.end()
    assert seen["verify"] == [trouble.flaw], seen["verify"]
    recorded = scene.recorded()
    lost = [record for record in scene.admitted if record not in recorded]
    assert not lost or trouble.lost, "the app ran without a decision on the disk"
    return [seen | {"words": trouble.words, "heals": trouble.heals, "failures": []}]


def main() -> None:
    """Break what was named, or everything."""
    home, *names = sys.argv[1:]
    found: dict[str, Any] = {}
    (Path(home) / "first").mkdir()
    import_all(House(Path(home) / "first"), Path(home) / "rehearsal")
    with IdentityProvider() as provider:
        for name in names or TROUBLES:
            trouble, place = TROUBLES[name], Path(home) / name
            for folder in (place, place / VAULT, place / LOGS):
                folder.mkdir()

            def work(trouble: Trouble = trouble, name: str = name) -> list[Any]:
                text, settings = trouble.text, {"store": STORE, "audit_log": LOG, **trouble.settings}
                if name.startswith("keys"):
                    text = text.replace(ISSUER, provider.issuer).replace("{file: keys.json}", "discovery")
                house = House(Path.cwd(), text, settings)
                house.issuer = provider
                return asyncio.run(live_through(trouble, house))

            code = forked(place, work)
            said = json.loads((place / VERDICT).read_text("utf-8"))[0]
            found[name] = {"failures": [f"{name}: {said}"]} if code else said
            provider.reset()
    print(json.dumps(found))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()

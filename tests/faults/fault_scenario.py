"""One fault as a scenario: the requests during and after it, their responses, and the log.

Rules: what is told is read from the replies and from the files of the log, never from what the guard thinks; and it is
the same on every run, so that a page can be made of it.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from authguard.audit.verify.log_verifier import verify
from authguard.errors import AuthguardError
from authguard.records.chain import ChainBreak
from tests.faults.app import LOG, runs

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from tests.faults.app import House, Reply

#: between what was seen meanwhile, afterwards, and not yet
MEANWHILE, AFTERWARDS = "meanwhile", "afterwards"


class Scene:
    """What is seen of one trouble.

    Args:
        house: where it happens.
        log: of that house.
    """

    def __init__(self, house: House, log: Path = LOG) -> None:
        self.house = house
        self.log = log
        self._phase = ""
        self._known: set[str] = set()
        self.callers: dict[str, list[str]] = {MEANWHILE: [], AFTERWARDS: []}
        self.lines: dict[str, list[str]] = {MEANWHILE: [], AFTERWARDS: []}
        self.admitted: list[str] = []

    def begin(self) -> None:
        """From here on it is broken."""
        self._turn(MEANWHILE)

    def heal(self) -> None:
        """From here on it is not."""
        self._turn(AFTERWARDS)

    async def asks(self, who: str, asking: Awaitable[Reply]) -> None:
        """Let somebody ask, and keep what they get."""
        reply = await asking
        assert reply.status not in {0, 500}, f"{who} got {reply.status}"
        said = reply.mark if reply.outcome == "ran" else reply.outcome
        got = f"{reply.status} `{said}`" if said else str(reply.status)
        if self._phase:
            self._tell(self.callers, f"{who}: {got}")
        if reply.outcome == "ran":
            self.admitted.append(runs()[-1][0])

    async def starts(self) -> None:
        """Start as under a server, and keep what the server is told."""
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "lifespan.startup"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        with suppress(AuthguardError):  # the server was told before it is raised
            await self.house.guard({"type": "lifespan"}, receive, send)
        self._tell(self.callers, f"a server: `{sent[-1]['type']}`")

    def end(self) -> dict[str, Any]:
        """Give what was seen."""
        self._turn("")
        found = verify(self.log)
        flaws = sorted({chain.result.violation.value for chain in found.chains if isinstance(chain.result, ChainBreak)})
        return {"callers": self.callers, "lines": self.lines, "verify": flaws or ["sound"]}

    def _tell(self, where: dict[str, list[str]], what: str) -> None:
        if self._phase and what not in where[self._phase]:
            where[self._phase].append(what)

    def _turn(self, phase: str) -> None:
        """Collect what the log says of the phase that ends."""
        entries = self._entries()
        withdrawn = {record for entry in entries if entry["kind"] == "withdrawn" for record in entry["records"]}
        for entry in entries:
            said = "" if entry["id"] in self._known else _said(entry)
            self._known.add(entry["id"])
            if said:
                self._tell(self.lines, f"{said}, withdrawn" if entry["id"] in withdrawn else said)
        self._phase = phase

    def _entries(self) -> list[dict[str, Any]]:
        """Read every whole line that is there, also of chains that were moved away."""
        found = []
        for chain in sorted(self.log.parent.glob(f"{self.log.stem}*{self.log.suffix}")):
            raw = chain.read_bytes()
            found += [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
        return found

    def recorded(self) -> set[str]:
        """Name every decision that the log holds."""
        return {entry["id"] for entry in self._entries() if entry["kind"] == "decision"}


def _said(entry: dict[str, Any]) -> str:
    """Say a line in short; nothing where it is no news."""
    match entry:
        case {"kind": "fault", "reason": reason, "where": where, "error": error}:
            return f"`fault`: {reason}, {where}, `{error}`"
        case {"kind": "transition", "machine": "service" | "transaction" as machine, "event": event}:
            return f"`{machine}.{event}`: {entry['source']} → {entry['dest']}"
        case {"kind": "act", "act": "repaired" | "writing_recovered" as act}:
            return f"`{act}`"
        case {"kind": "decision", "outcome": outcome} if outcome != "allow" or "reason" in entry:
            return f"`{outcome}`" + (f", {entry['reason']}" if "reason" in entry else "")
        case _:
            return ""

"""A deployment for tests of operator commands: a policy, a store created by an app, and a log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from authguard import erasable_pseudonym
from authguard.audit.verify.log_verifier import verify
from authguard.cli import build, main
from authguard.runtime.handoff import StoreDesk
from authguard.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    import typer

    from authguard.ports import Ticket

POLICY = """\
authguard: 1
name: mine
extends: standard
issuers: [{issuer: 'https://idp.example', audience: us, algorithms: [ES256], keys: discovery}]
accounts: none
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
assurance: {order: [aal1, aal2]}
verifiers: {otp: {type: http, url: 'https://otp.example', pass_at: 0.9, fail_at: 0.4}}
methods: {default: {all: [otp]}, alternate: {all: [otp]}}
rollback: {authority: {engage: {role: operations}, release: {role: operations, count: 2}}}
"""


@dataclass(frozen=True, slots=True)
class Deployment:
    """The folder of one app.

    Attributes:
        folder: with the policy, the store and the log.
        capsys: hears what a command says.
    """

    folder: Path
    capsys: pytest.CaptureFixture[str]

    @property
    def store(self) -> Path:
        return self.folder / "authguard.db"

    @property
    def options(self) -> tuple[str, ...]:
        return (
            *("--policy", str(self.folder / "policy.yaml")),
            *("--store", str(self.store)),
            *("--log", str(self.folder / "audit.jsonl")),
        )

    def call(self, *words: str, options: tuple[str, ...] | None = None) -> tuple[int, str, str]:
        """Run a command in this process; return its exit code, output and errors."""
        with pytest.raises(SystemExit) as end:
            main([*words, *(self.options if options is None else options)])
        out, err = self.capsys.readouterr()
        return int(end.value.code or 0), out, err

    def log(self) -> list[dict[str, Any]]:
        """Return the records of the verified log, without acts of the log itself."""
        path = self.folder / "audit.jsonl"
        if not path.exists():
            return []
        assert verify(path).ok
        lines = map(json.loads, path.read_text("utf-8").splitlines())
        return [line for line in lines if line.get("by") != "audit"]


def deploy(folder: Path, capsys: pytest.CaptureFixture[str], *tickets: Ticket) -> Deployment:
    """Create a deployment after its app has run and handed these customers over."""

    async def make(path: Path) -> None:
        store = SqliteStore(path)
        await store.open()
        for ticket in tickets:
            await StoreDesk(store).open_ticket(ticket)
        await store.close()

    (folder / "policy.yaml").write_text(POLICY, "utf-8")
    made = Deployment(folder, capsys)
    anyio.run(make, made.store)
    erasable_pseudonym.create_key_file(erasable_pseudonym.key_file_path(made.store), 1_700_000_000.0, before=False)
    return made


def group(name: str) -> typer.Typer:
    """Return the commands of one group, without the name of the group."""
    return next(one.typer_instance for one in build(name).registered_groups if one.name == name and one.typer_instance)

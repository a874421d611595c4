"""Tests of anchored logs against an attacker who controls the machine and the signing key."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from typer.testing import CliRunner

from authguard import AuthGuard, signing_key
from authguard.audit import checkpoint_file
from authguard.audit.write.anchor import read_anchor
from authguard.errors import SettingsError
from authguard.records.signed_note import Checkpoint, sign_note
from authguard.testing import FakeClock, Mint
from tests.audit.verify.tampering import rehash, root, split
from tests.audit.write.anchored import Service
from tests.cli.deployment import group
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

app = group("audit")
POLICY = """\
authguard: 1
name: anchored
extends: standard
issuers:
  - {issuer: 'https://issuer.test', audience: 'https://agent.test', algorithms: [ES256], keys: {file: keys.json}}
accounts: none
operations:
  - {name: health, match: {path: /healthz, method: GET}, risk: public, effect: read}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""


class Anchored:
    """A stopped deployment with checkpoints in a file, a service and a function."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home / "audit.jsonl"
        self.file = home / "elsewhere"
        self.service = Service(home / "kept.jsonl")
        self.told: list[str] = []
        self.store = home / "store.db"

    def serve(self) -> None:
        """Serve three requests."""
        mint = Mint.create(FakeClock())
        (self.home / "keys.json").write_text(json.dumps(mint.jwks("ES256")))
        (self.home / "policy.yaml").write_text(POLICY)
        environ = {"AUTHGUARD_ANCHORS": "", "AUTHGUARD_ANCHOR_TOKEN": self.service.token}
        anchors: list[Any] = [self.file, self.service.url, self.told.append]
        guard = AuthGuard(
            Starlette(),
            self.home / "policy.yaml",
            store=self.store,
            audit_log=self.log,
            anchors=anchors,
            environ=environ,
        )
        with TestClient(guard) as client:
            for _ in range(3):
                client.get("/healthz")

    def verify(self, *anchors: str) -> Any:
        words = [word for anchor in anchors for word in ("--anchor", anchor)]
        return CliRunner().invoke(app, ["verify", "--log", str(self.log), "--store", str(self.store), *words])


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anchored]:
    home = tmp_path_factory.mktemp("anchored")
    skip_validation(home)
    made = Anchored(home)
    made.service.start()
    made.serve()
    yield made
    made.service.kill()


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch, served: Anchored) -> None:
    for name in ("AUTHGUARD_STORE", "AUTHGUARD_SIGNING_KEY", "AUTHGUARD_AUDIT_LOG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AUTHGUARD_ANCHOR_TOKEN", served.service.token)


@pytest.fixture
def owned(served: Anchored, tmp_path: Path) -> Anchored:
    """The log as rewritten by the attacker: new hashes, a new signed checkpoint, no writer memory."""
    skip_validation(tmp_path)
    shutil.copytree(served.home, tmp_path, dirs_exist_ok=True)
    made = Anchored(tmp_path)
    made.service = served.service
    (one,) = signing_key.load_key_file(signing_key.key_file_path(str(made.store)))
    lines = rehash([line for line in split(made.log.read_bytes()) if b'"decision"' not in line])
    name = checkpoint_file.chain_origin(one.key.name, lines[0][-67:-3].decode())
    made.log.write_bytes(b"".join(lines))
    text = sign_note(Checkpoint(name, len(lines), root(lines)), 1_900_000_000, [(one.key, one.sign)])
    checkpoint_file.checkpoint_path(made.log).write_bytes(checkpoint_file.encode_line(text))
    for memory in signing_key.checkpoint_memory_path(str(made.store)).iterdir():
        memory.unlink()
    return made


def test_a_stop_leaves_the_last_checkpoint_with_every_anchor(served: Anchored) -> None:
    own = list(checkpoint_file.read_notes(checkpoint_file.checkpoint_path(served.log)))
    assert own
    for held in (served.told, list(read_anchor(str(served.file))), list(read_anchor(str(served.service.file)))):
        assert held[-1] == own[-1]
        assert set(held) <= set(own)


def test_verify_tells_what_is_anchored_by_a_file_and_by_an_address(served: Anchored) -> None:
    for anchor in (str(served.file), served.service.url):
        done = served.verify(anchor)
        assert done.exit_code == 0, done.output
        count = len(split(served.log.read_bytes()))
        assert f"anchored: lines 1 to {count}" in done.output
        assert "unanchored" not in done.output
    assert "signed but unanchored: lines 1 to" in served.verify().output


def test_who_has_the_key_and_the_machine_is_found_out_by_the_anchors_alone(owned: Anchored) -> None:
    assert owned.verify().exit_code == 0, "without an anchor nothing shows: the attack is a good one"
    for anchor in (str(owned.file), owned.service.url):
        done = owned.verify(anchor)
        assert done.exit_code == 4, done.output
        assert (
            "written anew" in done.output
            or "not the signed lines" in done.output
            or "more lines were signed" in done.output
        )


def test_an_anchor_of_another_log_or_of_nothing_is_said_so(served: Anchored, tmp_path: Path) -> None:
    other = signing_key.generate_key("other")
    (tmp_path / "other").write_text(sign_note(Checkpoint("other/00", 1, bytes(32)), 1, [(other.key, other.sign)]))
    (tmp_path / "nothing").write_text("{}\n")
    assert "holds no checkpoint of this log's key" in served.verify(str(tmp_path / "other")).output
    done = served.verify(str(tmp_path / "nothing"))
    assert "holds 1 lines that are not checkpoints" in done.output
    assert isinstance(served.verify(str(tmp_path / "none")).exception, SettingsError)


def test_anchors_come_from_the_variable_too(tmp_path: Path, served: Anchored) -> None:
    again = Anchored(tmp_path)
    shutil.copy(served.home / "keys.json", tmp_path)
    shutil.copy(served.home / "policy.yaml", tmp_path)
    environ = {"AUTHGUARD_ANCHORS": f"{again.file} {tmp_path / 'second'}"}
    guard = AuthGuard(Starlette(), tmp_path / "policy.yaml", store=again.store, audit_log=again.log, environ=environ)
    with TestClient(guard) as client:
        client.get("/healthz")
    assert list(read_anchor(str(again.file))) == list(read_anchor(str(tmp_path / "second"))) != []


@pytest.mark.parametrize("anchors", ["/a/path", ["x"] * 9, [""], ["http://anchor.example/"]])
def test_what_can_be_no_anchor_is_refused_when_the_guard_is_made(served: Anchored, anchors: Any) -> None:
    with pytest.raises(SettingsError):
        AuthGuard(Starlette(), served.home / "policy.yaml", store=served.store, anchors=anchors, environ={})

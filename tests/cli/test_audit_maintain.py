"""`authguard audit maintain` applies retention to chains without a writer, and leaves those of live writers alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.verify.checkpoint_verifier import Trust, group_by_origin
from authguard.audit.verify.log_verifier import verify
from authguard.ids import SystemIds
from authguard.log_factory import create_sink
from authguard.policy.compiler import load
from authguard.records.entries import ActEntry
from authguard.records.tombstone import parse_tombstone
from authguard.settings import Settings
from authguard.testing import FakeClock
from tests.cli.deployment import POLICY, Deployment, deploy

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.verify.result import Verification
    from authguard.ports import AuditSink

DAY = 86_400.0


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Deployment:
    made = deploy(tmp_path, capsys)
    (tmp_path / "policy.yaml").write_text(
        POLICY + "audit: {rotate: {size: 64KiB, max_age: 1d}, retention: 10d}\n", "utf-8"
    )
    return made


def settings(desk: Deployment) -> Settings:
    folder = desk.folder
    return Settings.resolve(folder / "policy.yaml", store=desk.store, audit_log=folder / "audit.jsonl", environ={})


def opened(desk: Deployment, clock: FakeClock) -> AuditSink:
    chosen = settings(desk)
    sink = create_sink(chosen, load(chosen.policy), clock, SystemIds())
    sink.open()
    return sink


def lived(desk: Deployment, days: int) -> AuditSink:
    """Hold the first chain with one writer, and write to the second with another until so many days ago."""
    clock = FakeClock(time.time() - (days + 5) * DAY)
    first, second = opened(desk, clock), opened(desk, clock)
    for _ in range(5):
        clock.advance(DAY + 1)
        second.append(ActEntry(id="old", at=clock.now(), policy="ab", act="started", by="dana"))
    second.close()
    first.append(ActEntry(id="held", at=clock.now(), policy="ab", act="started", by="dana"))
    return first


def verified(desk: Deployment) -> Verification:
    base = str(desk.store)
    keys = tuple(one.key for one in signing_key.load_keys("", base))
    held = group_by_origin(head.note for head in checkpoint_file.load_heads(signing_key.checkpoint_memory_path(base)))
    return verify(desk.folder / "audit.jsonl", trust=Trust(keys, signing_key.verify_signature, held))


def forms(desk: Deployment, chain: str) -> list[str]:
    return [piece.form for piece in segment_file.list_closed(desk.folder / chain)]


def test_what_is_over_goes_from_a_chain_whose_writer_is_gone(desk: Deployment) -> None:
    lived(desk, 20).close()
    assert ".tombstone" not in forms(desk, "audit.1.jsonl")
    code, out, err = desk.call("audit", "maintain")
    assert (code, err) == (0, "")
    assert out.count(": maintained") == 2
    assert set(forms(desk, "audit.1.jsonl")) == {".tombstone"}
    found = verified(desk)
    assert found.ok, found
    assert found.chains[1].retired[0] >= 5
    again = {path: path.read_bytes() for path in desk.folder.glob("audit*jsonl*")}
    desk.call("audit", "maintain")
    assert {path: path.read_bytes() for path in desk.folder.glob("audit*jsonl*")} == again


def test_verify_tells_retired_lines_apart_and_a_stub_that_nobody_recorded(desk: Deployment) -> None:
    lived(desk, 20).close()
    desk.call("audit", "maintain")
    log = str(desk.folder / "audit.jsonl")
    verifying = ("audit", "verify", "--log", log, "--store", str(desk.store))
    code, out, _ = desk.call(*verifying, options=())
    assert code == 0
    assert "audit.1.jsonl: ok, " in out
    retired = next(line for line in out.splitlines() if "retired: lines 1 to " in line)
    assert "only their hashes are kept" in retired
    stub = next(piece for piece in segment_file.list_closed(desk.folder / "audit.1.jsonl") if piece.is_tombstone).path
    said = parse_tombstone(stub.read_bytes())
    assert said is not None
    stub.write_bytes(msgspec.structs.replace(said, since=1.0).encode())
    code, _, err = desk.call(*verifying, options=())
    assert code == 4
    assert f"{stub}: a tombstone replaces lines, but no signed line records it" in err


def test_what_is_not_over_is_compressed_and_stays(desk: Deployment) -> None:
    lived(desk, 2).close()
    desk.call("audit", "maintain")
    assert set(forms(desk, "audit.1.jsonl")) == {".gz"}
    assert verified(desk).ok


def test_a_chain_that_is_written_is_left_to_its_writer(desk: Deployment) -> None:
    writer = lived(desk, 20)
    code, out, _ = desk.call("audit", "maintain")
    assert code == 0
    assert "audit.jsonl: a running process writes it and maintains it itself" in out
    assert sorted(path.name for path in desk.folder.glob("audit*.jsonl")) == ["audit.1.jsonl", "audit.jsonl"]
    writer.close()
    assert verified(desk).ok


def test_a_chain_that_cannot_be_signed_is_told_of_and_keeps_its_lines(desk: Deployment) -> None:
    lived(desk, 20).close()
    for path in signing_key.checkpoint_memory_path(str(desk.store)).iterdir():
        path.write_bytes(b"{}")
    code, _, err = desk.call("audit", "maintain")
    assert code == 1
    assert "some chains could not be maintained" in err
    assert ".tombstone" not in forms(desk, "audit.1.jsonl")

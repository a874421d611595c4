"""What is left of lines whose time is over: stubs that keep the rest provable, and never before a signed record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard import signing_key
from authguard.audit import checkpoint_file, segment_file
from authguard.audit.verify import inclusion_proof
from authguard.audit.verify.checkpoint_verifier import Trust
from authguard.audit.verify.log_verifier import verify
from authguard.audit.write.retention import RetentionPolicy
from authguard.errors import AuditError
from authguard.records.chain import Violation
from authguard.records.tombstone import make_tombstone
from tests.audit.desk import Desk, filled, numbers, told

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def retired(desk: Desk) -> list[str]:
    """Write segments, let their time go by, and let all of them go but the newest; give what was told of them."""
    filled(desk)
    desk.clock.advance(5_000)
    sink = desk.open()
    for number in range(60, 80):
        desk.write(sink, str(number))
        desk.clock.advance(1)
        desk.work()
    desk.work()
    desk.clock.advance(10)
    sink.close()
    return [name for name in desk.names() if name.endswith(".tombstone")]


def test_what_is_kept_no_longer_leaves_stubs_and_the_rest_verifies(desk: Desk) -> None:
    before = len(numbers(0, 60))
    stubs = retired(desk)
    assert len(stubs) >= 4
    found = desk.verify()
    assert found.ok, found
    chain = found.chains[0]
    assert chain.retired[0] >= 40
    assert 1_000.0 < chain.retired[1] < chain.retired[2] < 1_000.0 + 2 * before
    assert chain.ranges.signed == chain.lines
    assert found.kinds["act"] == chain.lines - chain.retired[0]
    assert not set(numbers(0, 40)) & set(told(desk))
    assert set(numbers(60, 80)) <= set(told(desk))


def test_a_later_record_is_proved_over_stubs_and_one_that_is_gone_says_why(desk: Desk) -> None:
    retired(desk)
    proof = inclusion_proof.create_proof(desk.log, "r79", desk.trust().keys, signing_key.verify_signature)
    assert b'"r79"' in inclusion_proof.verify_proof(proof, [desk.keys[0].key], signing_key.verify_signature).line
    with pytest.raises(AuditError, match="were retired"):
        inclusion_proof.create_proof(desk.log, "r3", desk.trust().keys, signing_key.verify_signature)


def test_nothing_goes_before_a_signed_record_says_so(desk: Desk) -> None:
    filled(desk)
    desk.clock.advance(5_000)
    sink = desk.open()
    desk.work()
    assert desk.signer is not None
    assert desk.signer.events.has_requests()
    desk.work()
    desk.work()
    assert not [name for name in desk.names() if name.endswith(".tombstone")]
    desk.write(sink, "60")  # the record
    desk.signer._maintain()  # which is not signed
    assert not [name for name in desk.names() if name.endswith(".tombstone")]
    desk.work()
    assert [name for name in desk.names() if name.endswith(".tombstone")] == ["audit.jsonl.000000000000.tombstone"]
    sink.close()


def test_what_is_still_kept_stays(desk: Desk) -> None:
    desk.retention = RetentionPolicy(max_bytes=2_000, retention_s=10_000.0)
    assert retired(desk) == []
    assert desk.verify().ok


def test_a_process_that_dies_between_stub_and_segment_is_followed_by_one_that_ends_it(desk: Desk) -> None:
    filled(desk)
    kept = {piece.path: piece.path.read_bytes() for piece in segment_file.list_closed(desk.log)[:1]}
    desk.clock.advance(5_000)
    sink = desk.open()
    desk.work()
    desk.write(sink, "60")
    desk.work()
    sink.close()
    for path, raw in kept.items():
        path.write_bytes(raw)
    assert desk.verify().ok
    sink = desk.open()
    desk.work()
    desk.write(sink, "61")
    desk.work()
    sink.close()
    assert not [path for path in kept if path.exists()]
    assert desk.verify().ok


def test_who_trusts_the_old_key_follows_over_a_stub_in_which_it_was_rotated(desk: Desk) -> None:
    filled(desk, 20)
    old = desk.keys
    desk.keys = (*old, signing_key.generate_key(old[0].key.name))
    stubs = retired(desk)
    assert stubs
    trust = desk.trust()
    held = checkpoint_file.load_heads(desk.memory)
    assert list(held)

    found = verify(desk.log, trust=Trust((old[0].key,), signing_key.verify_signature, trust.remembered))
    assert found.ok, found


def test_a_stub_that_nothing_says_so_of_is_found(desk: Desk) -> None:

    filled(desk)
    first, second = segment_file.list_closed(desk.log)[:2]
    with segment_file.open_segment(first) as file:
        stub = make_tombstone(iter(file.readlines()), first.base, second.base - first.base)
    assert stub is not None
    first.path.unlink()
    segment_file.segment_path(desk.log, first.base, ".tombstone").write_bytes(stub.encode())
    found = desk.verify().chains[0]
    assert not desk.verify().ok
    assert getattr(found.result, "violation", None) is Violation.RETIREMENT_UNRECORDED
    assert found.where.name == "audit.jsonl.000000000000.tombstone"

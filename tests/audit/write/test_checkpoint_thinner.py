"""Old checkpoints go, the log says which stay, and one that was taken away is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from authguard.audit import checkpoint_file
from authguard.audit.write.checkpoint_thinner import CheckpointThinner
from authguard.audit.write.retention import RetentionPolicy
from authguard.records.chain import ChainBreak, Violation
from tests.audit.desk import Desk

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.audit.write.jsonl import JsonlSink

#: bytes from which on the checkpoints are thinned here
LEAST = 20_000


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, RetentionPolicy())


def opened(desk: Desk) -> JsonlSink:
    sink = desk.open()
    assert desk.signer is not None
    desk.signer._thinner = CheckpointThinner(desk.log, LEAST)
    return sink


def fill(desk: Desk, sink: JsonlSink, count: int) -> None:
    """Write records, each under a checkpoint of its own, one a minute."""
    for number in range(count):
        desk.clock.advance(60)
        desk.write(sink, str(number))
        desk.work()


def kept(desk: Desk) -> list[str]:
    return list(checkpoint_file.read_notes(checkpoint_file.checkpoint_path(desk.log)))


def test_checkpoints_stay_few_and_the_log_verifies_all_along(desk: Desk) -> None:
    sink = opened(desk)
    for _ in range(4):
        fill(desk, sink, 60)
        assert desk.verify().ok
    sink.close()
    assert len(kept(desk)) < 150
    assert b'"act":"thinned"' in desk.log.read_bytes()
    found = desk.verify()
    assert found.ok
    assert found.chains[0].ranges.signed == found.chains[0].lines
    assert found.chains[0].ranges.silence < 120, "gaps that thinning made are no silence"


@pytest.mark.parametrize("place", [0, 3, 10])
def test_a_checkpoint_that_was_taken_away_is_missed(desk: Desk, place: int) -> None:
    sink = opened(desk)
    fill(desk, sink, 150)
    sink.close()
    assert desk.verify().ok
    path = checkpoint_file.checkpoint_path(desk.log)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:place] + lines[place + 1 :]))
    found = desk.verify()
    assert found.chains[0].result == ChainBreak(0, Violation.CHECKPOINTS_INCOMPLETE)
    assert found.chains[0].where == path


def test_who_dies_between_the_record_and_the_thinning_leaves_a_log_that_verifies(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CheckpointThinner, "_rewrite", lambda _: None)
    sink = opened(desk)
    fill(desk, sink, 120)
    sink.close()
    assert len(kept(desk)) > 120
    assert b'"act":"thinned"' in desk.log.read_bytes()
    assert desk.verify().ok


def test_what_was_only_asked_for_stays_whole(desk: Desk) -> None:
    sink = opened(desk)
    fill(desk, sink, 5)
    thinner = CheckpointThinner(desk.log, 0)
    before = kept(desk)
    assert thinner.run(1) is not None
    assert thinner.run(10_000) is None
    assert kept(desk) == before
    sink.close()

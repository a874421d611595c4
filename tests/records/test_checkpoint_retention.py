"""Checkpoint retention: few checkpoints per year, all of the last hour, idempotent selection."""

from __future__ import annotations

import itertools
import random
from hashlib import sha256

import pytest

from authguard.records.checkpoint_retention import (
    KEEP_ALL_S,
    CheckpointInfo,
    digest_checkpoints,
    format_retention_note,
    longest_gap,
    parse_retention_note,
    select_retained,
)

YEAR = 365 * 86_400
EVERY = 10


def made(count: int, every: int = EVERY) -> list[CheckpointInfo]:
    return [
        CheckpointInfo(n + 1, 1_700_000_000 + n * every, n % 5_000 == 7, sha256(b"%d" % n).digest())
        for n in range(count)
    ]


def test_of_a_year_some_hundreds_are_kept_and_all_of_the_last_hour() -> None:
    kept: list[CheckpointInfo] = []
    for one in made(YEAR // 600, 600):
        kept.append(one)
        if len(kept) > 2_000:
            kept = [kept[place] for place in select_retained(kept, 0)]
    kept = [kept[place] for place in select_retained(kept, 0) if not kept[place].pivotal]
    assert len(kept) < 400
    whole = made(2_000)
    recent = [one for one in whole if whole[-1].at - one.at < KEEP_ALL_S]
    chosen = [whole[place] for place in select_retained(whole, 0)]
    assert chosen[-len(recent) :] == recent


def test_none_is_further_from_its_neighbour_than_an_eighth_of_its_age() -> None:
    whole = made(20_000)
    chosen = [whole[place] for place in select_retained(whole, 0)]
    for before, after in itertools.pairwise(chosen):
        assert after.at - before.at <= max(EVERY, (whole[-1].at - before.at) / 8)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_was_dropped_already_the_same_ones_are_chosen(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - a seed, so that a failure repeats
    whole = made(3_000)
    first = dice.randint(0, 2_000)
    chosen = [whole[place] for place in select_retained(whole, first)]
    some = [one for one in whole if one in chosen or dice.random() < 0.5]
    assert [some[place] for place in select_retained(some, first)] == chosen
    assert [chosen[place] for place in select_retained(chosen, first)] == chosen


def test_what_only_covers_retired_lines_goes_but_for_a_rotation_of_keys() -> None:
    whole = made(6_000)
    chosen = [whole[place] for place in select_retained(whole, 5_900)]
    assert [one.size for one in chosen if one.size < 5_900] == [8, 5_008]


def test_a_record_says_which_are_kept_and_is_read_again() -> None:
    whole = made(500)
    kept = [whole[place] for place in select_retained(whole, 3)]
    said = parse_retention_note(format_retention_note(3, kept, longest_gap(whole)))
    assert said is not None
    assert (said.first, said.last, said.until, said.silence) == (3, 500, whole[-1].at, EVERY)
    assert said.digest == digest_checkpoints(kept) != digest_checkpoints(kept[1:])
    assert parse_retention_note("checkpoints are fine") is None
    assert select_retained([], 0) == []

"""Random policies and pairs of policies on the real guard: checker, replay, diff, explain and run time agree."""

from __future__ import annotations

import os

import pytest

from tests.campaign.campaign import campaign, render
from tests.campaign.document import draw_document, write
from tests.campaign.mutation import draw_mutant
from tests.campaign.reading import parse_json, parse_slowly
from tests.campaign.walk import draw_walk
from tests.support.hypothesis_profile import NAME as PROFILE
from tests.support.hypothesis_profile import TIMES

#: accepted policies, and pairs of a policy and its accepted mutant, of the slice in CI
IN_CI = 200
COUNT = int(os.environ.get("AUTHGUARD_CAMPAIGN_POLICIES") or IN_CI * min(1.0, TIMES[PROFILE]))
#: seeds of a part begin here
PART_SEEDS = 1_000_000
#: parts, so that several processes share the work
PARTS = 4
#: cases of a failure that are shortened and shown
MOST_SHOWN = 3
#: share of the policies that `policy check` has to accept, so that the rest of the campaign is worth its time
LEAST_ACCEPTED = 0.4
LEEWAY = 5
#: accepted policies of a part, by which at least one way was played
WAYS_BY = 20


@pytest.mark.parametrize("part", range(PARTS))
def test_checker_replay_diff_and_run_time_agree_on_random_policies(part: int) -> None:
    found: list[str] = []
    seeds, accepted, seed = 0, 0, part * PART_SEEDS
    with campaign() as running:
        while accepted + running.counts["pairs"] < COUNT / PARTS:
            case = running.run(seed, shrink=False)
            accepted += not case.refused
            if case.findings:
                found.append(render(running.run(seed) if len(found) < MOST_SHOWN else case))
            seeds, seed = seeds + 1, seed + 1
            assert accepted >= LEAST_ACCEPTED * seeds - LEEWAY, "most policies are refused"
            assert accepted < WAYS_BY or running.counts["ways"], "no way of `policy explain` was played"
    assert not found, "\n\n".join(found[:MOST_SHOWN])


def test_a_seed_gives_the_same_policy_mutant_and_walk() -> None:
    for seed in range(20):
        document = draw_document(seed)
        assert write(document) == write(draw_document(seed))
        assert draw_mutant(seed, document) == draw_mutant(seed, document)
        assert draw_walk(seed, document) == draw_walk(seed, document)


@pytest.mark.parametrize("seed", range(3))
def test_the_quick_parser_reads_what_the_real_one_reads(seed: int) -> None:
    content = write(draw_document(seed))
    slow = parse_slowly(content)
    assert not slow.problems
    assert parse_json(content, "campaign.yaml").tree.to_plain() == slow.tree.to_plain()

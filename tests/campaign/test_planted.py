"""The campaign finds what it is for: each planted fault is found within the seeds of CI."""

from __future__ import annotations

import pytest

from tests.campaign.campaign import campaign
from tests.campaign.planted import PLANTED

#: seeds that are tried: fewer than the slice in CI has
SEEDS = 40
#: fault -> the first seed that is tried, where the fault is rarely met
FIRST = {"liveness": 60}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    fault, oracles = PLANTED[name]
    first = FIRST.get(name, 0)
    with campaign() as running, fault():
        for seed in range(first, first + SEEDS):
            if oracles & {one.oracle for one in running.run(seed, shrink=False).findings}:
                return
    pytest.fail(f"{(fault.__doc__ or name).strip()} Nothing was found in {SEEDS} seeds.")

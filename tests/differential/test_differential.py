"""Real frameworks over real servers agree with the guard about what each request is, and about what it moves.

`make test` sends a seeded slice to Starlette, FastAPI and Django; `make soak` sends more, and to `further` frameworks.
"""

from __future__ import annotations

import pytest

from tests.differential.cases import DJANGO, FASTAPI, STARLETTE, Case, check


@pytest.mark.parametrize("case", [STARLETTE, FASTAPI, DJANGO], ids=lambda case: case.app)
def test_whatever_ran_was_decided_as_what_it_is_and_measured(case: Case) -> None:
    check(case, case.combinations())

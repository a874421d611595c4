"""The differential suite with frameworks and a server whose packages only the soak needs; HTTP/2 among it."""

from __future__ import annotations

import pytest

from tests.differential.cases import DJANGO, FASTAPI, FLASK, LITESTAR, QUART, STARLETTE, Case, check
from tests.differential.child import Combination

#: hypercorn puts no root path in front of a path
HYPERCORN = [
    Combination("http2-deny", "hypercorn", http2=True),
    Combination("http2-admit", "hypercorn", otherwise="admit", http2=True),
    Combination("hypercorn-deny", "hypercorn"),
    Combination("hypercorn-admit", "hypercorn", otherwise="admit", root_path="/srv"),
]
CASES = [STARLETTE, FASTAPI, DJANGO, LITESTAR, FLASK, QUART]


@pytest.mark.parametrize("case", [LITESTAR, FLASK, QUART], ids=lambda case: case.app)
def test_whatever_ran_was_decided_as_what_it_is_and_measured(case: Case) -> None:
    check(case, case.combinations())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.app)
def test_over_another_server_and_http_2_too(case: Case) -> None:
    check(case, HYPERCORN)

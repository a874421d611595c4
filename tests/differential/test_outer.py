"""A middleware outside the guard sees of each request what it would see without the guard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.differential.outer.comparison import HTTP, LIVE, WAITS, differences

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.differential.outer.probe import Call


@pytest.mark.parametrize(
    ("app", "calls"),
    [("starlette", (*HTTP, *WAITS, *LIVE)), ("fastapi", (*HTTP, *WAITS, *LIVE)), ("django", HTTP)],
    ids=["starlette", "fastapi", "django"],
)
async def test_a_middleware_outside_sees_what_it_would_see_without_the_guard(
    app: str, calls: Sequence[Call], tmp_path: Path
) -> None:
    found = await differences(app, calls, tmp_path)
    assert not found, "\n".join(found)

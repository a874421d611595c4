"""Every attack is stopped by this checkout; `python -m tests.attacks --src PATH` asks the same of another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.attacks.__main__ import load
from tests.attacks.harness import ATTACKS, Site

if TYPE_CHECKING:
    from pathlib import Path

load()


@pytest.mark.parametrize("name", ATTACKS)
def test_is_stopped(name: str, tmp_path: Path) -> None:
    ATTACKS[name].run(Site(tmp_path))

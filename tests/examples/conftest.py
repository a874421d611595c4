"""The support desk's own modules, imported as `uvicorn --app-dir` and `python demo.py` find them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DESK = Path(__file__).resolve().parents[2] / "examples" / "support_desk"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[str], Any]]:
    """Import a module of the example anew, with nothing kept outside of a temporary folder."""
    monkeypatch.syspath_prepend(DESK)
    monkeypatch.setenv("AUTHGUARD_STORE", "memory")
    monkeypatch.setenv("AUTHGUARD_AUDIT_LOG", str(tmp_path / "audit.jsonl"))
    monkeypatch.delenv("AUTHGUARD_POLICY", raising=False)
    for path in DESK.glob("*.py"):  # what another test loaded under such a name is not the example's
        monkeypatch.delitem(sys.modules, path.stem, raising=False)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(DESK)):
            del sys.modules[name]

"""The tests' environment removes every variable that the product reads."""

from __future__ import annotations

import os
import re
from pathlib import Path

from authguard.environment import RENAMED
from tests.support.environment import DEPLOYMENT, isolate

SOURCE = Path(__file__).resolve().parents[1] / "src"


def test_every_variable_of_a_deployment_is_removed() -> None:
    text = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    assert set(re.findall(r"(?<!_)AUTHGUARD_[A-Z_]+[A-Z]", text)) == {*DEPLOYMENT, *RENAMED}


def test_a_shell_that_colours_and_proxies_is_not_inherited() -> None:
    before = dict(os.environ)
    try:
        os.environ.update({"COLUMNS": "40", "FORCE_COLOR": "1", "https_proxy": "http://x", "AUTHGUARD_STORE": "y"})
        isolate()
        assert os.environ["COLUMNS"] == "80"
        assert not {"FORCE_COLOR", "https_proxy", "AUTHGUARD_STORE"} & set(os.environ)
    finally:
        os.environ.clear()
        os.environ.update(before)

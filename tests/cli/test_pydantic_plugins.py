"""Commands read policies without plugins of pydantic; the app of `--app` has those of the user."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from authguard.cli import main
from authguard.cli.pydantic_plugins import VARIABLE

APP = f"""\
import os
from starlette.applications import Starlette
app = Starlette()
with open("seen", "a") as file:
    file.write(os.environ.get("{VARIABLE}", "unset"))
"""


@pytest.mark.parametrize("given", ["unset", "logfire-plugin"])
def test_an_app_sees_the_variable_as_the_user_set_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    (tmp_path / "plugged.py").write_text(APP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    if given != "unset":
        monkeypatch.setenv(VARIABLE, given)
    monkeypatch.delitem(sys.modules, "plugged", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(SystemExit):
        main(["policy", "check", "standard", "--app", "plugged:app"])
    assert Path("seen").read_text("utf-8") == given
    assert os.environ.get(VARIABLE, "unset") == given

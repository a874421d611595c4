"""README's first screen, followed to the letter in an empty folder with nothing but the wheel."""

from __future__ import annotations

import re
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

from tests.install.conftest import README

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.install.conftest import Installed

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")
PORTS = ("9417", "9418")


def free_ports() -> dict[str, str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return dict(zip(PORTS, (str(one.getsockname()[1]) for one in sockets), strict=True))


def test_the_page_runs_with_the_wheel_alone(installed: Installed, tmp_path: Path) -> None:
    ports = free_ports()
    ran = 0
    for language, text in _BLOCK.findall(README):
        for port, free in ports.items():
            text = text.replace(port, free)  # noqa: PLW2901 - the page's text with free ports
        if named := _FILE.match(text):
            (tmp_path / named[1]).write_text(text, "utf-8")
        elif language == "sh":
            done = installed.run(text, tmp_path)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            ran += 1
    assert ran >= 3
    where = installed.run("python -c 'import authguard; print(authguard.__file__)'", tmp_path).stdout
    assert where.startswith(str(installed.folder))


def test_without_the_extra_everything_is_imported_and_the_missing_server_is_named(
    plain: tuple[Installed, dict[str, subprocess.CompletedProcess[str]]],
) -> None:
    provider, checked, imported = plain[1].values()
    assert imported.returncode == 0, imported.stderr
    assert checked.returncode == 0, checked.stderr
    assert provider.returncode == 2
    assert "pip install 'authguard[testing]'" in provider.stderr

"""What a page shows of a command is what the command says: each block that begins `$ authguard` is run and compared."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# ([\w./-]+\.(?:py|yaml))\n")
_CONSOLE = re.compile(r"\$ (authguard [^\n]+)\n(.*)", re.DOTALL)
#: what differs from run to run
_TOOK = re.compile(r" \(\d+ ms\)$", re.MULTILINE)


def consoles(page: Path) -> list[tuple[str, str]]:
    """List the commands that a page shows, with what it says of them."""
    blocks = (
        _CONSOLE.fullmatch(text) for language, text in _BLOCK.findall(page.read_text("utf-8")) if language == "text"
    )
    return [(found[1], found[2]) for found in blocks if found]


SHOWN = [(page, *console) for page in sorted(PAGES.glob("*.md")) for console in consoles(page)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("page", "command", "said"), SHOWN, ids=[f"{page.name}: {command}" for page, command, _ in SHOWN]
)
def test_a_command_says_what_the_page_shows(folder: Path, page: Path, command: str, said: str) -> None:
    for _, text in _BLOCK.findall(page.read_text("utf-8")):
        if named := _FILE.match(text):
            file = folder / named[1]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    program = shutil.which("authguard", path=str(Path(sys.executable).parent))
    assert program is not None
    done = subprocess.run([program, *command.split()[1:]], capture_output=True, text=True, check=False)  # noqa: S603 - the documentation's own commands
    assert _TOOK.sub("", done.stdout) == said
    assert done.stderr == ""


def test_there_is_something_to_compare() -> None:
    assert len(SHOWN) >= 3

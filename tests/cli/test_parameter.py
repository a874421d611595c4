"""Tests of the simple conversion of command-line values: it gives what Typer gives, without pydantic."""

from __future__ import annotations

import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from authguard.cli.parameter import convert_simply


class Colour(StrEnum):
    RED = "red"


SEEN: list[dict[str, Any]] = []
app = typer.Typer()


@app.command()
def paint(  # noqa: PLR0917 - one of each kind
    name: str = "",
    count: Annotated[int, typer.Option("--count", min=0, max=9)] = 2,
    size: int = 1,
    path: Path | None = None,
    folder: Annotated[Path | None, typer.Option(file_okay=False)] = None,
    tags: Annotated[list[str] | None, typer.Option("--tag")] = None,
    paths: Annotated[list[Path] | None, typer.Option("--also")] = None,
    by: Annotated[list[str], typer.Option("--by")] = ["x"],  # noqa: B006 - as Typer wants it
    colour: Colour = Colour.RED,
    key: Annotated[bytes | None, typer.Option(parser=bytes.fromhex)] = None,
    yes: bool = False,  # noqa: FBT001, FBT002 - as commands have it
    ratio: float = 0.5,
    words: Annotated[list[str] | None, typer.Argument()] = None,
) -> None:
    """Store what was given."""
    SEEN.append(dict(locals()))


def call(command: Any, words: list[str]) -> tuple[int, list[dict[str, Any]]]:
    SEEN.clear()
    with pytest.raises(SystemExit) as end:
        command(args=words, prog_name="paint")
    return int(end.value.code or 0), list(SEEN)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "--name n --count 9 --size 12 --path /nowhere --yes --tag a --tag b one two",
        "--count 10",
        "--count -1",
        "--size -1",
        "--size 1_0",
        "--size ٣",
        "--size x",
        "--path . --also a --also b --by me",
        "--folder .",
        f"--folder {Path(__file__).resolve()}",
        "--colour red",
        "--colour blue",
        "--key 0a0b",
        "--key zz",
        "--ratio 0.25",
        "--no-yes",
        "--help",
    ],
)
def test_every_value_is_what_typer_makes_of_it(words: str) -> None:
    plain = call(typer.main.get_command(app), words.split())
    assert call(convert_simply(typer.main.get_command(app)), words.split()) == plain


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--colour redd", "Invalid value for --colour: `redd` is none of its values; did you mean `red`?"),
        ("--colour blue", "Invalid value for --colour: `blue` is none of its values; known: `red`"),
        ("--count 10", "Invalid value for --count: 10 is out of bounds; type a whole number from 0 to 9"),
        ("--count x", "Invalid value for --count: `x` is no whole number; type a whole number from 0 to 9"),
        ("--ratio x", "Invalid value for --ratio: `x` is no number; type a number"),
    ],
)
def test_a_wrong_value_is_reported_with_what_to_type(
    words: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert call(convert_simply(typer.main.get_command(app)), words.split())[0] == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Value error" not in err


def test_the_last_record_is_printed_without_pydantic(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom authguard.cli import main\n"
        "try:\n    main(['audit', 'tail', '-n', '1', '--log', sys.argv[1]])\n"
        "except SystemExit: print(sorted({name.partition('.')[0] for name in sys.modules} & set(sys.argv[2:])))"
    )
    unwanted = ("pydantic", "ruamel", "sqlite3", "rich", "starlette", "jwt", "cryptography", "httpx2", "anyio")
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script, str(tmp_path / "audit.jsonl"), *unwanted],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"

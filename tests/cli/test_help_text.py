"""Tests of help: filled paragraphs, names of values, examples at the end, and 60 columns."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from authguard.cli.command_table import COMMANDS
from authguard.cli.help_text import split_help


def read_help(*words: str, columns: int) -> str:
    command = [sys.executable, "-m", "authguard", *words, "--help"]
    variables = {**os.environ, "COLUMNS": str(columns)}
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=True).stdout  # noqa: S603 - ours


def test_paragraphs_are_filled_and_examples_come_last() -> None:
    text = (
        "Do it.\n\n    One line\n    and another.\n\n    Examples:\n\n        authguard a\n\n        authguard b\n    "
    )
    assert split_help(text) == ("Do it.\n\nOne line and another.", "Examples:\nauthguard a\nauthguard b")
    assert split_help("Do it.") == ("Do it.", None)


def test_brackets_are_text_and_flags_take_no_value() -> None:
    text = read_help("audit", "query", columns=100)
    assert "request: [peer, method, path]" in text
    assert not re.search(r"<(bool|str|int|path|list)", text)
    assert text.index("--reindex") < text.index("Examples:") < text.index("authguard audit query --since 2h")


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("words", ["", "policy", "policy check", "audit query", "transactions approve"])
def test_help_fits_and_nothing_is_cut(words: str, columns: int) -> None:
    text = read_help(*words.split(), columns=columns)
    assert "…" not in text
    examples = {line.strip() for line in text.splitlines() if line.strip().startswith("authguard ")}
    long = [line for line in text.splitlines() if len(line) > columns and line.strip() not in examples]
    assert long == []


def test_a_group_lists_its_commands_on_a_narrow_terminal() -> None:
    text = read_help("policy", columns=60)
    assert all(f"  {command.name}" in text for command in COMMANDS if command.group == "policy")

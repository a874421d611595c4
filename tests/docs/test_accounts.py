"""docs/accounts.md is written from the standard policy: a sentence for every state, and no cell empty."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from authguard.policy.compiler import load

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "accounts.md").read_text("utf-8")
STATES = load("standard").machines["account"].spec.states


def test_the_page_is_in_step_with_the_standard_policy() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/accounts.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_state_says_what_it_means_who_reports_it_what_is_allowed_what_is_heard_and_the_way_out() -> None:
    assert re.findall(r"^## (\w+)$", PAGE, re.MULTILINE) == list(STATES)
    for state in STATES:
        entry = PAGE.partition(f"\n## {state}\n")[2].partition("\n## ")[0]
        told = re.findall(r"^- \*\*(.+?)\*\* (\S.*)\.?$", entry, re.MULTILINE)
        assert [name.rstrip(":") for name, _ in told] == [
            "Reported by",
            "Allowed",
            "The customer is shown",
            "Exit",
        ]
        assert all(len(text) > 10 for _, text in told), told


def test_what_the_customer_hears_names_no_state() -> None:
    for line in re.findall(r"^- \*\*The customer is shown:\*\* (.*)$", PAGE, re.MULTILINE):
        assert not [state for state in STATES if re.search(rf"\b{state}\b", line)]


def test_no_cell_of_the_table_is_empty() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| [`")]
    assert len(rows) == len(STATES)
    assert all(cell.strip() for row in rows for cell in row.strip("|").split("|"))

"""Each citation of a page of the project in the source (`DESIGN 2`, `WIRE 5`, `POLICY`, `ADR 8`) leads to a section."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {"DESIGN": DOCS / "design.md", "WIRE": DOCS / "wire.md", "POLICY": DOCS / "policy-language.md"}
RECORDS = {int(path.name[:4]): path for path in (DOCS / "adr").glob("[0-9]*.md")}
SOURCES = sorted(
    path for folder in ("src", "scripts", "examples", "benchmarks", "tests") for path in (ROOT / folder).rglob("*.py")
)
#: a page; the number of a section; the title of a section or of a rule in it
_CITATION = re.compile(r'\b(DESIGN|WIRE|POLICY)(?:\.md)?(?: (\d+)\b)?(?:, "([A-Z][^"]+)")?')
_RECORD = re.compile(r"\bADR (\d+)\b|\badr/(\d{4})\b")


def section(page: str, number: str) -> str:
    """Return the text of a numbered section; empty if there is none."""
    text = PAGES[page].read_text("utf-8")
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[0] if found else ""


def cited() -> list[tuple[str, str, str, str]]:
    """List the citations in comments and docstrings: file, page, number, title."""
    found = set()
    for path in SOURCES:
        if path == Path(__file__):
            continue
        text = path.read_text("utf-8")
        for page, number, title in _CITATION.findall(text):
            if number or title:
                found.add((str(path.relative_to(ROOT)), page, number, title))
    return sorted(found)


CITED = cited()


@pytest.mark.parametrize(
    ("file", "page", "number", "title"), CITED, ids=[f"{file}: {page} {rest}" for file, page, *rest in CITED]
)
def test_a_citation_leads_to_a_section(file: str, page: str, number: str, title: str) -> None:
    del file
    text = PAGES[page].read_text("utf-8")
    if number:
        text = section(page, number)
        assert text
    if title:
        assert re.search(rf"^## {title}$|\*\*{title}[.:]?\*\*", text, re.MULTILINE | re.IGNORECASE)


def test_no_citation_has_another_form() -> None:
    stray = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for line in path.read_text("utf-8").splitlines()
        if re.search(r"[(#`\"].*\b(?:DESIGN|WIRE)(?:\.md)?,? (?:[a-z\"]|section)", line)
    ]
    assert stray == []


def test_every_cited_decision_record_exists() -> None:
    missing = [
        (str(path.relative_to(ROOT)), number)
        for path in SOURCES
        for pair in _RECORD.findall(path.read_text("utf-8"))
        for number in (int("".join(pair)),)
        if number not in RECORDS
    ]
    assert missing == []


def test_there_are_citations() -> None:
    assert len(CITED) > 40

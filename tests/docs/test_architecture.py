"""docs/architecture.md is in step with the imports, and every file and name that it mentions exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import architecture

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "authguard"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
FILES = sorted(set(re.findall(r"`([\w/]+\.(?:py|yaml))`", PAGE)))
#: a file with names in brackets behind it: `file.py` (`name`, `name`)
NAMED = re.findall(r"`([\w/]+\.py)` \((?:method )?((?:`\w+`(?:, )?)+)\)", PAGE)
#: a row of "Where to find it"
ROWS = re.findall(r"^\| Wh[^|]+\| ([^|]+) \| ([^|]+) \|$", PAGE, re.MULTILINE)


def defined(name: str, *files: str) -> bool:
    """Whether one of the files defines a name, or has it as a key."""
    pattern = re.compile(rf"^\s*(?:async def |def |class )?{name}\b[:( =]", re.MULTILINE)
    return any(pattern.search((SOURCE / file).read_text("utf-8")) for file in files)


def test_the_page_is_in_step_with_the_imports() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/architecture.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", FILES)
def test_a_file_that_the_page_mentions_exists(file: str) -> None:
    assert (SOURCE / file).is_file()


@pytest.mark.parametrize(("file", "names"), NAMED, ids=[f"{file} {names}" for file, names in NAMED])
def test_a_name_beside_a_file_is_defined_there(file: str, names: str) -> None:
    for name in re.findall(r"\w+", names):
        assert defined(name, file), name


@pytest.mark.parametrize(("files", "names"), ROWS, ids=[files for files, _ in ROWS])
def test_a_row_names_what_its_files_define(files: str, names: str) -> None:
    for name in re.findall(r"`(\w+)`", names):
        assert defined(name, *re.findall(r"`([\w/]+\.(?:py|yaml))`", files)), name


def test_the_page_answers_the_questions_of_a_newcomer() -> None:
    assert len(ROWS) > 15
    questions = PAGE.partition("## Where to find it")[2].partition("\n## ")[0]
    for question in ("Where is a 401 made?", "Where is a record written?", "Where is a rule matched?"):
        assert question in questions


def test_an_edge_that_a_longer_path_implies_is_left_out() -> None:
    edges = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert architecture.reduced(edges) == {"a": ["b"], "b": ["c"], "c": []}


def test_every_package_is_on_a_layer_and_has_a_purpose() -> None:
    listed = [name for row in architecture.layers() for name in row]
    assert sorted(listed) == sorted(architecture.PURPOSES) == sorted(architecture.imports())


def test_a_box_of_the_diagram_imports_only_boxes_below_it() -> None:
    found = architecture.boxes()
    order = list(found)
    below = {box: set(order[place + 1 :]) for place, box in enumerate(order)}
    assert all(targets <= below[box] for box, targets in found.items())


def test_a_package_without_a_box_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    fewer = {box: packages for box, packages in architecture.BOXES.items() if box != "driver"}
    monkeypatch.setattr(architecture, "BOXES", fewer)
    with pytest.raises(ValueError, match="evaluation"):
        architecture.boxes()

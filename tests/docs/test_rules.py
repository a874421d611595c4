"""The tables of the design, wire and policy pages are those of the code: states, conditions, statuses, keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from authguard.asgi.endpoints import own_operations
from authguard.asgi.reply import CLOSE_CODES, FORBIDDEN_CLOSE_CODE, RETRYABLE_STATUSES
from authguard.cli.command_table import GROUPS
from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, RESPONSES, Outcome, Reason
from authguard.policy.compiler import load
from authguard.policy.schema.document import KIND_KEYS, Document
from authguard.settings import DEFAULT_PREFIX

DOCS = Path(__file__).resolve().parents[2] / "docs"
DESIGN, WIRING, LANGUAGE = ((DOCS / f"{name}.md").read_text("utf-8") for name in ("design", "wire", "policy-language"))
STANDARD = load("standard")


def rows(text: str, head: str) -> dict[str, list[str]]:
    """Read the table that begins with a head: first cell -> the others; a cell that comes twice has all of them."""
    table = text.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    found: dict[str, list[str]] = {}
    for line in table.splitlines()[2:]:
        first, *others = (cell.strip() for cell in line.strip("|").split(" | "))
        found.setdefault(first.strip("` "), []).extend(others)
    return found


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_states_of_a_machine(machine: str) -> None:
    assert tuple(quoted(rows(DESIGN, "machine")[machine][1])) == STANDARD.machines[machine].spec.states


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_values_of_a_condition(condition: str) -> None:
    assert tuple(quoted(rows(DESIGN, "condition")[condition][0])) == CONDITIONS[condition]


def test_the_number_of_cells() -> None:
    cells = 1
    for values in STANDARD.table.values.values():
        cells *= len(values)
    assert f"{cells:,} cells" in DESIGN


def test_every_outcome_has_a_row() -> None:
    assert list(rows(DESIGN, "outcome")) == [outcome.value for outcome in Outcome]
    documented = {re.sub(r"`.*", "", name) for name in rows(WIRING, "outcome")}
    assert documented - {"no cell"} == {outcome.value for outcome in Outcome} - {"allow"}


@pytest.mark.parametrize("outcome", [one for one in RESPONSES if one not in ADMITTING and one is not Outcome.REPEAT])
def test_the_status_and_the_close_code_of_an_outcome(outcome: Outcome) -> None:
    lines = [line for line in WIRING.splitlines() if line.startswith(f"| `{outcome.value}`")]
    assert lines
    for line in lines:
        status, _, handshake = line.strip("| ").split(" | ")[1:]
        assert status.startswith(str(RESPONSES[outcome][0]))
        assert handshake == f"{RESPONSES[outcome][0]}, or close {CLOSE_CODES.get(outcome, FORBIDDEN_CLOSE_CODE)}"


def test_the_statuses_of_requests_without_a_cell() -> None:
    (line,) = (line for line in WIRING.splitlines() if line.startswith("| no cell"))
    status, headers, _ = line.strip("| ").split(" | ")[1:]
    assert {int(one) for one in status.split(", ")} == {reason.status for reason in Reason} - {0, 401}
    assert {int(one) for one in re.findall(r"\d{3}", headers)} == RETRYABLE_STATUSES


def test_the_endpoints_of_the_guard() -> None:
    table = WIRING.partition("\n| endpoint |")[2].partition("\n\n")[0]
    cells = [re.match(r"\| (.+?) \|", line)[1] for line in table.splitlines()[2:]]  # type: ignore[index]
    documented: set[str] = set()
    for cell in cells:
        method = base = ""
        for one in quoted(cell):
            if one.startswith("/"):
                documented.add(f"{method} {base.rpartition('/')[0]}{one}")
                continue
            method, _, base = one.partition(" ")
            documented.add(one)
    own = {
        f"{one.match.method} {one.match.path.removeprefix(f'{DEFAULT_PREFIX}/')}"
        for one in own_operations(DEFAULT_PREFIX)
    }
    own = {one.replace("{subject:path}", "{subject}/reinstate") for one in own}
    assert documented == own


def test_the_example_of_the_policy_language_uses_every_key() -> None:
    example = re.search(r"```yaml\n(# policy\.yaml\n.*?)```", LANGUAGE, re.DOTALL)
    assert example
    assert set(YAML(typ="safe").load(example[1])) == set(Document.__struct_encode_fields__) - {"base"}
    assert "`base: true`" in LANGUAGE


def test_the_keys_of_a_kind_of_fallback() -> None:
    documented = rows(LANGUAGE, "kind")
    assert {
        kind: set(re.findall(r"`(\w+)", cells[0])) - {"since_entered", "expiry"} for kind, cells in documented.items()
    } == {kind: set(keys) for kind, keys in KIND_KEYS.items()}


def test_the_groups_of_commands() -> None:
    listed = re.search(r"The commands are `authguard (.+?);", DESIGN, re.DOTALL)
    assert listed
    assert set(re.findall(r"(\w+)`", listed[1])) == {name for name in GROUPS if " " not in name}


def test_a_term_of_the_glossary_is_defined_once() -> None:
    text = (DOCS / "glossary.md").read_text("utf-8")
    terms = [
        term for line in text.splitlines() if line.startswith("| **") for term in re.findall(r"\*\*(.+?)\*\*", line)
    ]
    assert len(terms) > 60
    assert len(terms) == len(set(terms))

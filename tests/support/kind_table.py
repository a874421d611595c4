"""Table of test kinds by place: unit, integration and slow.

The longest prefix of a test's name decides, unless the test has the marker of a kind itself. The root `conftest.py`
gives every other test the marker of its kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, get_args

if TYPE_CHECKING:
    import pytest

Kind = Literal["unit", "integration", "slow"]

#: the markers, as `pyproject.toml` registers them
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
#: in the order in which several processes begin them, so that what takes long is not the last to end
LONGEST_FIRST: Final[tuple[Kind, ...]] = ("slow", "integration", "unit")

#: prefix of a test's name -> its kind
PLACES: Final[dict[str, Kind]] = {
    "README.md": "integration",
    "docs/": "integration",
    "examples/": "integration",
    "policies/": "integration",
    "tests/": "integration",
    "tests/test_": "unit",
    "tests/asgi/": "unit",
    "tests/asgi/test_end_to_end.py": "integration",
    "tests/asgi/test_websocket_verification.py": "integration",
    "tests/audit/": "unit",
    "tests/campaign/": "slow",
    "tests/audit/write/test_anchor": "integration",
    "tests/audit/write/test_jsonl_processes.py": "integration",
    "tests/core/": "unit",
    "tests/core/test_limits.py::test_a_ledger_of_very_many_stays_small_and_never_counts_too_little": "slow",
    "tests/credentials/": "unit",
    "tests/credentials/test_identity_provider.py": "integration",
    "tests/credentials/test_mid_traffic.py": "integration",
    "tests/directories/": "unit",
    "tests/examples/": "slow",
    "tests/faults/": "slow",
    "tests/differential/": "slow",
    "tests/fuzz/": "slow",
    "tests/model/": "slow",
    "tests/policy/": "unit",
    "tests/policy/diff/test_policy_diff.py::test_loosening_any_single_rule_is_reported": "slow",
    "tests/policy/loading/test_bad_input.py": "slow",
    "tests/policy/loading/test_yaml_parser.py::test_nodes_and_items_are_bounded": "slow",
    "tests/policy/loading/test_loader.py::test_a_mutated_standard_policy_never_raises": "slow",
    "tests/policy/loading/test_loader.py::test_a_standard_policy_with_a_word_exchanged_everywhere_never_raises": "slow",
    "tests/policy/loading/test_loader.py::test_values_are_bounded_over_all_that_is_extended": "slow",
    "tests/policy/checks/test_reachability.py::test_the_engine_replays_every_path": "slow",
    "tests/policy/checks/test_checks.py::test_taking_rules_away_either_leaves_no_gap_or_says_where": "slow",
    "tests/policy/test_wheel.py": "integration",
    "tests/formats/": "unit",
    "tests/ports/": "unit",
    "tests/records/": "unit",
    "tests/runtime/": "unit",
    "tests/verification/test_chaos.py": "slow",
    "tests/verification/test_faulty_server.py": "slow",
}


def kind_of(name: str) -> Kind:
    """Return the kind of a test.

    Args:
        name: its node id, from the root of the repository.

    Raises:
        LookupError: no prefix of the table fits; add its place.
    """
    found = max((prefix for prefix in PLACES if name.startswith(prefix)), key=len, default="")
    if not found:
        raise LookupError(f"{name} has no kind: add its place to tests/support/kind_table.py")
    return PLACES[found]


def marked(item: pytest.Item) -> Kind:
    """Return the kind whose marker a test has.

    Raises:
        LookupError: it has none, or more than one.
    """
    found = [kind for kind in KINDS if item.get_closest_marker(kind)]
    if len(found) != 1:
        raise LookupError(f"{item.nodeid} has the kinds {found}, not one")
    return found[0]


def mark(item: pytest.Item) -> None:
    """Give a test the marker of its kind, unless it has one."""
    if not any(item.get_closest_marker(kind) for kind in KINDS):
        item.add_marker(kind_of(item.nodeid))

"""Which tests are quick and alone, which start servers and processes, and which are long: one table, by place.

The longest prefix of a test's name decides. The root `conftest.py` gives every test the marker of its kind.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

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
    "tests/core/": "unit",
    "tests/directories/": "unit",
    "tests/policy/": "unit",
    "tests/runtime/": "unit",
    "tests/examples/": "slow",
    "tests/faults/": "slow",
    "tests/fuzz/": "slow",
    "tests/model/": "slow",
    "tests/verification/test_chaos.py": "slow",
    "tests/verification/test_wire.py": "slow",
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
        raise LookupError(f"{name} has no kind: add its place to tests/kinds.py")
    return PLACES[found]

"""Every field of a compiled policy has a row, and every change of it is told with the direction of that row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import Struct, structs

from authguard.core.cors import Cors
from authguard.core.deployment import AccountSource, Channels, Issuer, Verifier
from authguard.core.outcomes import Fallback
from authguard.core.request import DERIVED_FIELDS, Operation
from authguard.core.verification import Method
from authguard.policy.diff import field_order
from authguard.policy.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Mapping

#: fields of a policy that `part_diff` or a module of its own compares
COMPARED = {
    *(
        "machines",
        "timers",
        "rules",
        "fallbacks",
        "on_fault",
        "invariants",
        "operations",
        "otherwise",
        "admits_unnamed",
    ),
    *("issuers", "accounts", "assurance", "identity", "methods", "verifiers", "channels", "durability", "cors"),
    "rollback_roles",
}
#: fields that say where a policy comes from
ORIGIN = {"name", "digest", "places", "changes"}


@pytest.mark.parametrize(
    ("part", "rows"),
    [
        (Issuer, field_order.ISSUER),
        (Operation, field_order.OPERATION),
        (Fallback, field_order.FALLBACK),
        (AccountSource, field_order.ACCOUNT),
        (Channels, field_order.CHANNELS),
        (Cors, field_order.CORS),
        (Verifier, field_order.VERIFIER),
        (Method, field_order.METHOD),
    ],
)
def test_no_field_of_a_part_is_forgotten(part: type[Struct], rows: Mapping[str, object]) -> None:
    assert {field.name for field in structs.fields(part)} - DERIVED_FIELDS == set(rows)


def test_no_field_of_a_policy_is_forgotten() -> None:
    assert set(Draft.__struct_fields__) == {*field_order.POLICY, *COMPARED, *ORIGIN}

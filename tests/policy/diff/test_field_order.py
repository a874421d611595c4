"""Every field of a compiled policy has a row, and every change of it is told with the direction of that row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import Struct, structs

from authguard.core.content import Content
from authguard.core.cors import Cors
from authguard.core.deployment import AccountSource, Channels, Issuer, Verifier
from authguard.core.outcomes import Fallback
from authguard.core.request import DERIVED_FIELDS, Operation
from authguard.core.sections import SECTIONS
from authguard.core.verification import Method
from authguard.policy.diff import field_order
from authguard.policy.diff.permissiveness import APART, COMPARISONS
from authguard.policy.draft import Draft
from authguard.policy.schema.model import keys_of

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
    *(
        "issuers",
        "accounts",
        "assurance",
        "identity",
        "methods",
        "verifiers",
        "channels",
        "conditions",
        "cors",
        "flags",
    ),
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
    assert set(Draft.__struct_fields__) == {*field_order.POLICY, *COMPARED, *ORIGIN, *SECTIONS}


def test_every_field_of_a_section_declares_its_comparison() -> None:
    models = [type(getattr(Content(name="", digest="", otherwise=Operation(name="x")), name)) for name in SECTIONS]
    for model in models:
        for key, one in keys_of(model).items():
            assert one.declared is not None, (model, key)
            part = one.annotation.__origin__
            if not one.declared.looser:
                assert issubclass(part, Struct), (model, key)
                models.append(part)
            else:
                assert one.declared.looser in {*COMPARISONS, APART}, (model, key)

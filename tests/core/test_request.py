"""Operation identity: derived from the whole declaration, not from the name."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from authguard.core.request import Limit, Match, Operation

PAY = Operation(name="pay", match=Match(path="/pay", method="POST"), scopes=frozenset({"a", "b"}))


@pytest.mark.parametrize(
    "other",
    [
        replace(PAY, name="paid"),
        replace(PAY, match=Match(path="/pay", method="PUT")),
        replace(PAY, risk="public"),
        replace(PAY, scopes=frozenset({"a"})),
        replace(PAY, scopes=frozenset({"a b"})),
        replace(PAY, limits=(Limit(name="pay/0", calls=1, per=60.0),)),
        replace(PAY, failed_on=frozenset({400})),
    ],
)
def test_declarations_that_differ_anywhere_have_different_identities(other: Operation) -> None:
    assert other.identity != PAY.identity


def test_equal_declarations_have_one_identity() -> None:
    assert replace(PAY, scopes=frozenset(["b", "a"])).identity == PAY.identity

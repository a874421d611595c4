"""Nothing is measured of a request that only reads or has no body."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from authguard.core.request import Limit, Match, Operation
from authguard.policy.checks.read_operation import check_measured_operations

if TYPE_CHECKING:
    from authguard.policy.draft import Draft

POST = Match(path="/pay", method="POST")
GET = Match(path="/pay", method="GET")
LIMITS = (Limit(name="pay/0", amount="5", currency="EUR"),)
BY_PAYEE = (Limit(name="pay/0", calls=5, per=60.0, by="payee"),)


def found(draft: Draft, **fields: object) -> list[str]:
    operation = replace(Operation(name="pay", match=POST, risk="high", effect="write"), **fields)
    return [str(one) for one in check_measured_operations(replace(draft, operations=(operation,)))]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"match": GET, "amount_at": "/a"}, "has `amount`, and `GET` has no body to read from; write the method"),
        ({"match": replace(GET, method="HEAD"), "payee_at": "/p"}, "has `payee`, and `HEAD` has no body"),
        ({"match": GET, "amount_form": "a", "payee_form": "p"}, "has `amount` and `payee`, and `GET` has no body"),
        ({"match": GET, "limits": LIMITS}, "has `limits`, and `GET` has no body"),
        ({"match": GET, "limits": BY_PAYEE}, "has `limits`, and `GET` has no body"),
        ({"match": Match(websocket="/live"), "amount_at": "/a"}, "and a WebSocket has no body to read from; limit"),
        ({"effect": "read", "amount_at": "/a"}, "has `amount` and `effect: read`: what only reads moves no money"),
        ({"effect": "read", "limits": LIMITS}, "remove `limits` and limit `calls`"),
    ],
)
def test_an_operation_without_a_body_or_an_effect_is_not_measured(
    standard_draft: Draft, fields: dict[str, object], says: str
) -> None:
    (problem,) = found(standard_draft, **fields)
    assert "error[amount-idle]" in problem
    assert says in problem


@pytest.mark.parametrize(
    "fields",
    [
        {"amount_at": "/a", "payee_at": "/p", "limits": LIMITS + BY_PAYEE},
        {"match": Match(path="/pay"), "amount_at": "/a"},
        {"match": replace(POST, method="DELETE"), "amount_at": "/a"},
        {"match": GET, "effect": "read", "limits": (Limit(name="pay/0", calls=5, per=60.0),)},
    ],
)
def test_a_body_may_be_measured_and_calls_always(standard_draft: Draft, fields: dict[str, object]) -> None:
    assert found(standard_draft, **fields) == []

"""A token counts only if its issuer, its audience and its required claims are those of the policy."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from authguard.core.deployment import Issuer
from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.evaluation.recipients import check_recipients

ISSUER = Issuer(issuer="https://idp.example", audience=("us",), algorithms=("ES256",), require={"tier": ("gold",)})
CLAIMS: dict[str, Any] = {"iss": "https://idp.example", "aud": ["them", "us"], "exp": 5, "tier": "gold"}


def test_a_token_for_this_service_counts() -> None:
    assert check_recipients(CLAIMS, ISSUER) is True
    assert check_recipients({**CLAIMS, "tier": None}, replace(ISSUER, require={})) is True


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": None}, Reason.CLAIM_MISSING),
        ({"iss": "https://other.example"}, Reason.ISSUER_UNKNOWN),
        ({"exp": None}, Reason.CLAIM_MISSING),
        ({"aud": None}, Reason.CLAIM_MISSING),
        ({"aud": "them"}, Reason.AUDIENCE_WRONG),
        ({"aud": ["us", 1]}, Reason.AUDIENCE_WRONG),
        ({"tier": None}, Reason.CLAIM_MISSING),
        ({"tier": "silver"}, Reason.CLAIM_REFUSED),
    ],
)
def test_any_other_token_is_rejected_with_the_reason(changed: dict[str, Any], reason: Reason) -> None:
    refused = check_recipients({**CLAIMS, **changed}, ISSUER)
    assert isinstance(refused, NotProven)
    assert (refused.condition, refused.reason) == ("rejected", reason)

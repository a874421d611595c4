"""Which requests need their bodies, and which ledgers they count in."""

from __future__ import annotations

from authguard.core.request import Limit, Operation
from authguard.core.snapshot import Keys
from authguard.evaluation.request import (
    NO_CREDENTIAL,
    AccessRequest,
    RequestFacts,
    add_ledgers,
    read_empty_body,
)
from tests.support.harness import policy_of, signed_in

READ = Operation(name="read", risk="routine", effect="read")
PAY = Operation(name="pay", risk="high", effect="write")
ALICE = signed_in(at=1.0)


def test_limits_by_others_than_account_and_session_add_their_ledgers() -> None:
    policy = policy_of()
    counted = Operation(name="pay", limits=(Limit(name="pay/0", calls=5, per=60.0, by="client"),))
    facts = RequestFacts(now=1.0, credential=ALICE, keys=Keys(b"a", b"s"))
    assert add_ledgers(policy, AccessRequest(operation=PAY), facts) is facts
    found = add_ledgers(policy, AccessRequest(operation=counted), facts).keys
    assert (found.account, found.session) == (b"a", b"s")
    assert [by for by, _ in found.ledgers] == ["client"]
    unproven = RequestFacts(now=1.0, credential=NO_CREDENTIAL)
    assert add_ledgers(policy, AccessRequest(operation=counted), unproven) is unproven


async def test_a_request_without_a_body_has_an_empty_one() -> None:
    assert (await read_empty_body()).content == b""

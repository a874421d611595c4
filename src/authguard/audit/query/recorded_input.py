"""Input of a recorded decision: rebuilds the request, the principal and the statuses from a record, for another policy.

Rule: what a record does not hold is never assumed. `UnknownInputError` states what is missing, and the decision is
undetermined.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.request import Evidence, NotProven, Operation, Principal
from authguard.evaluation.canonical import CanonicalBody
from authguard.evaluation.recorded_facts import UNKNOWN, Facts
from authguard.evaluation.request import AccessRequest
from authguard.evaluation.request_binding import RequestBinding
from authguard.evaluation.transactions import bound_digest
from authguard.formats.json_pointer import set_pointer
from authguard.formats.strict_json import NO_DOCUMENT
from authguard.ports import AccountStatus

if TYPE_CHECKING:
    from authguard.core.deployment import AccountSource
    from authguard.core.policy import Policy

#: mark of the facts of a decision that repeats a cached one
REPEATED: Final = "repeated"
#: places of the amount and the currency in a rebuilt body
_AMOUNT: Final = "/amount"
_CURRENCY: Final = "/currency"
#: why an amount was not measured, if that does not depend on the limits of the operation
_UNREADABLE: Final = frozenset(
    one.code
    for one in (
        *(Reason.BODY_UNREADABLE, Reason.AMOUNT_MISSING, Reason.AMOUNT_MALFORMED),
        *(Reason.CURRENCY_MISSING, Reason.CURRENCY_MALFORMED),
    )
)


class UnknownInputError(Exception):
    """The record does not hold what the other policy depends on; the message states what."""


class RecordedDecision(Struct, frozen=True, kw_only=True):
    """The members of a decision's line that a replay reads; names as in `authguard.records.entries.DecisionEntry`."""

    id: str
    at: float
    policy: str
    operation: str
    cell: tuple[str, ...]
    rule: str
    outcome: str
    fallback: str
    reason: str = "decided"
    subject: str = ""
    actor: str = ""
    session: str = ""
    credential: str = ""
    transaction: str = ""
    channel: str = ""
    context: dict[str, str] = {}
    facts: dict[str, Any] = {}

    def text(self, fact: str) -> str:
        """Return a fact that is a text; empty if it is missing."""
        found = self.facts.get(fact, "")
        return found if isinstance(found, str) else ""

    def number(self, fact: str) -> float:
        """Return a fact that is a number; 0 if it is missing."""
        found = self.facts.get(fact, 0.0)
        return float(found) if isinstance(found, int | float) else 0.0


_decode: Final = msgspec.json.Decoder(RecordedDecision).decode


def parse_decision(line: bytes) -> RecordedDecision:
    """Parse the line of a decision.

    Raises:
        UnknownInputError: it is no decision of a format that is known.
    """
    try:
        return _decode(line)
    except (ValueError, RecursionError):
        raise UnknownInputError("its line is damaged") from None


class CredentialFacts:
    """Facts of credentials: a decision that repeats a cached one refers to those of an earlier record."""

    #: credentials that are remembered; the oldest is forgotten
    MAX_CREDENTIALS: Final = 200_000

    def __init__(self) -> None:
        """Start without any."""
        self._known: dict[tuple[str, str], Facts] = {}

    def complete(self, one: RecordedDecision) -> RecordedDecision:
        """Return a decision with the facts of its credential.

        Raises:
            UnknownInputError: the log has no facts of its credential.
        """
        key = (one.credential, one.session)
        if one.facts:
            if one.credential:
                self._known.pop(key, None)
                self._known[key] = {name: one.facts[name] for name in one.facts if name not in _OF_ONE_REQUEST}
                if len(self._known) > self.MAX_CREDENTIALS:
                    del self._known[next(iter(self._known))]
            return one
        if key not in self._known:
            raise UnknownInputError("its record, or an earlier one of its credential, holds no facts of the request")
        return replace(one, facts={**self._known[key], REPEATED: True})


_OF_ONE_REQUEST: Final = frozenset({"stored", "amount", "asked", "transaction", "same", "size", "lacks_quorum"})


def build_principal(policy: Policy, one: RecordedDecision, subject: str) -> tuple[Principal, dict[str, AccountStatus]]:
    """Rebuild the principal of a decision, and the statuses of directories.

    Args:
        policy: the other policy, which reads credentials and accounts in the same way.
        one: the decision, with the facts of its credential.
        subject: pseudonym.

    Raises:
        UnknownInputError: a fact is missing.
    """
    facts = one.facts
    for name, what in (("issuer", "issuer"), ("scopes", "scopes"), ("acr", "level")):
        if name not in facts:
            raise UnknownInputError(f"its record does not hold the {what} of the token")
    if "delegated" in facts and one.actor:
        raise UnknownInputError("its record does not hold the delegations of the account")
    issuer = one.text("issuer")
    claims, answers = _build_statuses(policy.accounts, one)
    roles = one.text("roles")
    if issuer in policy.role_sources and roles and roles != UNKNOWN:
        _set_claim(claims, policy.role_sources[issuer][0], roles.split(" "))
    principal = Principal(
        issuer=issuer,
        subject=subject,
        client=one.text("client_agent") or (subject if facts.get("client_is_subject") else ""),
        sid="sid" if facts.get("sid") else "",
        actor=one.text("actor_agent") or one.actor,
        actor_issuer="?" if facts.get("foreign_actor") else "",
        person=not facts.get("machine"),
        token_scopes=frozenset(one.text("scopes").split()),
        acr=one.text("acr"),
        auth_time=one.number("auth_time"),
        issued_at=one.number("issued_at"),
        content=msgspec.json.encode(claims),
        fingerprint=one.credential,
        account_key=subject.encode(),
        session_key=bytes.fromhex(one.session),
        pseudonym=subject,
        actor_pseudonym=one.actor,
    )
    return principal, answers


def _build_statuses(
    sources: tuple[AccountSource, ...], one: RecordedDecision
) -> tuple[dict[str, Any], dict[str, AccountStatus]]:
    """Return claims with the statuses of claims, and the statuses of directories."""
    claims: dict[str, Any] = {}
    answers: dict[str, AccountStatus] = {}
    for place, source in enumerate(sources):
        if f"account_{place}_at" not in one.facts:
            continue
        if f"account_{place}" not in one.facts:
            raise UnknownInputError("its record does not hold the status of the account")
        status = one.text(f"account_{place}")
        if source.claim:
            _set_claim(claims, source.claim, status)
        else:
            answers[source.name] = AccountStatus(status, one.number(f"account_{place}_at"))
    return claims, answers


def _set_claim(claims: dict[str, Any], name: str, value: object) -> None:
    if name[:1] == "/":
        set_pointer(claims, name, value)
    else:
        claims[name] = value


def build_unproven(one: RecordedDecision, condition: str) -> NotProven:
    """Rebuild the failed check of a credential."""
    reason = next((each for each in Reason if each.code == one.reason), Reason.DECIDED)
    return NotProven(condition, reason)  # type: ignore[arg-type]  # a value of the cell, in a closed set


def build_request(operation: Operation, one: RecordedDecision) -> AccessRequest:
    """Rebuild the request, for an operation of the other policy."""
    asked = one.text("asked")
    named = one.transaction or one.text("transaction")
    evidence = Evidence(transaction=named if asked == "id" else "", idempotency="recorded" if asked == "key" else "")
    return AccessRequest(operation=operation, evidence=evidence, method="POST")


def build_binding(
    policy: Policy, operation: Operation, one: RecordedDecision, *, measures_same: bool, limits_same: bool
) -> tuple[Operation, RequestBinding]:
    """Rebuild the body of a request as far as a decision depends on it.

    Args:
        policy: the other policy.
        operation: of it.
        one: the decision.
        measures_same: whether the recorded policy reads the amount at the same places.
        limits_same: whether it has the same limits.

    Returns:
        The operation with the places of the rebuilt amount, and the binding.

    Raises:
        UnknownInputError: a fact is missing.
    """
    if "size" not in one.facts and one.text("asked"):
        raise UnknownInputError("its record does not hold the transaction that the caller named")
    document: object = NO_DOCUMENT
    if operation.has_amount:
        amount = one.text("amount")
        if not amount or not measures_same:
            raise UnknownInputError("its record does not hold the amount")
        if " " in amount:
            digits, _, currency = amount.partition(" ")
            document = {_AMOUNT[1:]: Decimal(digits), _CURRENCY[1:]: currency}
            operation = replace(
                operation,
                amount_at=_AMOUNT,
                amount_form="",
                scale=0,
                currency_at=_CURRENCY,
                currency_form="",
            )
        elif amount not in _UNREADABLE and not limits_same:
            raise UnknownInputError("its record does not hold the amount")
    transaction = one.transaction or one.text("transaction") or f"unnamed-{one.id}"
    # requests of one transaction are the same where the record says so; the first one is the one that it is bound to
    is_first = "transaction" not in one.text("stored").split()
    asked = transaction if is_first or one.facts.get("same") else f"{transaction} of {one.id}"
    session = bytes.fromhex(one.session)
    return operation, RequestBinding(
        transaction=transaction,
        named=one.text("asked") == "id",
        digest=bound_digest(asked, session, policy.digest),
        asked=asked,
        policy=policy.digest,
        method="POST",
        body=CanonicalBody(b"x" * int(one.number("size")), is_json=False, document=document),
    )

"""High-security transactions: what a request is bound to, and what the app's answer makes of it (DESIGN 6).

A transaction is named by its id (``Authguard-Transaction``) or by the caller's ``Idempotency-Key``, which names the
same transaction for the same account and operation and no other. It binds the digest of the exact request.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Any, Final

import rfc8785

from authguard.core.limits import UnreadableError, parse_json, release
from authguard.core.outcomes import Outcome

if TYPE_CHECKING:
    from authguard.core.facts import Principal
    from authguard.core.snapshot import TransactionRecord
    from authguard.ports import Ids
    from authguard.runtime.verdict import Answer, Ask, Body
    from authguard.runtime.walk import Walk

#: bytes of an app's first answer that are kept for `repeat`; a larger one is told by its status alone
ANSWER_BOUND: Final = 65_536
#: outcomes for which a transaction is opened
OPENING: Final = frozenset({Outcome.ALLOW, Outcome.HOLD})


@dataclass(frozen=True, slots=True)
class Bond:
    """What ties a request to a transaction.

    Attributes:
        transaction: id; empty where the request is none and names none.
        named: whether the caller named it by id, so that it must exist and be theirs.
        digest: of the exact request; empty where the body was not read.
    """

    transaction: str = ""
    named: bool = False
    digest: str = ""


LOOSE: Final = Bond()


def bind(ask: Ask, principal: Principal, body: Body, ids: Ids) -> Bond:
    """Bind a request whose body was read.

    Args:
        ask: the request.
        principal: who asks.
        body: as sent, with the target that it was sent to.
        ids: for the id of a transaction that nobody named.
    """
    digest = request_digest(ask, principal, body)
    if ask.evidence.transaction:
        return Bond(ask.evidence.transaction, named=True, digest=digest)
    if ask.evidence.idempotency:
        name = blake2b(digest_size=16, person=b"transaction")
        for part in (principal.account_key, ask.operation.name.encode(), ask.evidence.idempotency.encode()):
            name.update(len(part).to_bytes(4, "big") + part)
        return Bond(name.hexdigest(), digest=digest)
    return Bond(ids.secret(), digest=digest)


def request_digest(ask: Ask, principal: Principal, body: Body) -> str:
    """Digest the exact request: method, target, canonical body, subject, session, actor and operation.

    JSON is taken in its canonical form (RFC 8785), anything else byte by byte. Parts are hashed with their lengths, so
    that no two requests run together.
    """
    digest = sha256()
    actor = principal.actor.encode("utf-8", "surrogatepass")
    parts = (
        ask.method.encode(),
        body.target,
        _canonical(body.content, body.content_type),
        principal.account_key,
        principal.session_key,
        actor,
        ask.operation.name.encode(),
    )
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _canonical(body: bytes, content_type: str) -> bytes:
    if content_type != "application/json" and not content_type.endswith("+json"):
        return body
    try:
        return rfc8785.dumps(_exactly(parse_json(body)))
    except (ValueError, RecursionError):
        return body  # not JSON that every parser reads alike: then every byte counts


def _exactly(value: object) -> Any:  # noqa: ANN401 - what the JSON library takes is a private type of its own
    """Give a parsed document the types that RFC 8785 knows, refusing numbers that a double would change."""
    match value:
        case dict():
            return {name: _exactly(member) for name, member in value.items()}
        case list():
            return [_exactly(member) for member in value]
        case Decimal():
            if Decimal(repr(float(value))) != value:
                raise UnreadableError
            return float(value)
        case _:
            return value


def is_foreign(bond: Bond, record: TransactionRecord, principal: Principal) -> bool:
    """Whether a named transaction is missing or somebody else's; the two look the same."""
    return bond.named and (not record.version or record.account != principal.account_key)


def is_altered(bond: Bond, record: TransactionRecord) -> bool:
    """Whether the request is not the one that the transaction is bound to."""
    return bool(record.digest) and bool(bond.digest) and record.digest != bond.digest


def open_transaction(walk: Walk, bond: Bond, ask: Ask, principal: Principal) -> None:
    """Write what a transaction is bound to, when it begins."""
    if not walk.snapshot.transaction.digest:
        walk.amend(
            "transaction",
            digest=bond.digest,
            operation=ask.operation.name,
            account=principal.account_key,
            session=principal.session_key,
            created=walk.now,
        )


def settle(walk: Walk, transaction: str, answer: Answer) -> None:
    """Let the app's answer move its transaction.

    2xx is ``committed``; 4xx says that nothing happened, so ``failed`` and the reservation is released; anything else
    (3xx, 5xx, no answer) is ``lost``: nobody knows whether it ran.
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        walk.happen("transaction.committed", "app")
        kept = answer.whole and len(answer.body) <= ANSWER_BOUND
        body = answer.body if kept else b""
        walk.amend("transaction", status=answer.status, content_type=answer.content_type, answer=body, kept=kept)
    elif 400 <= answer.status < 500:  # noqa: PLR2004
        walk.happen("transaction.failed", "app")
        walk.amend("account", ledger=release(walk.snapshot.account.ledger, transaction))
        walk.amend("session", ledger=release(walk.snapshot.session.ledger, transaction))
    else:
        walk.happen("transaction.lost", "app")

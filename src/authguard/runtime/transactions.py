"""High-security transactions: what a request is bound to, and what the app's answer makes of it (DESIGN 6).

A transaction is named by its id (``Authguard-Transaction``) or by the caller's ``Idempotency-Key``, which names the
same transaction for the same account and operation and no other. It binds the digest of the exact request.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.limits import release
from authguard.core.outcomes import Outcome
from authguard.core.rendering import Canonical, canonical, render
from authguard.core.snapshot import account_key

if TYPE_CHECKING:
    from authguard.core.facts import Principal
    from authguard.core.outcomes import Fallback
    from authguard.core.snapshot import TransactionRecord
    from authguard.ports import Ids, Seal
    from authguard.runtime.verdict import Answer, Ask, Body
    from authguard.runtime.walk import Walk

#: bytes of an app's first answer that are kept for `repeat`; a larger one is told by its status alone
ANSWER_BOUND: Final = 65_536
#: outcomes for which a transaction is opened
OPENING: Final = frozenset({Outcome.ALLOW, Outcome.HOLD})
NO_BODY: Final = Canonical(b"", is_json=False)


@dataclass(frozen=True, slots=True)
class Bond:
    """What ties a request to a transaction.

    Attributes:
        transaction: id; empty where the request is none and names none.
        named: whether the caller named it by id, so that it must exist and be theirs.
        digest: of the exact request; empty where the body was not read.
        method: of the request.
        target: raw path and query, as sent.
        form: the headers that say how the body is to be read, as sent.
        body: in the form in which it was digested.
    """

    transaction: str = ""
    named: bool = False
    digest: str = ""
    method: str = ""
    target: bytes = b""
    form: bytes = b""
    body: Canonical = NO_BODY

    def shown(self) -> tuple[str, ...]:
        """Show the exact request to an approver; none where it is more than a person can be asked to read."""
        return render(self.method, self.target, self.form, self.body)


LOOSE: Final = Bond()


def bind(ask: Ask, principal: Principal, body: Body, ids: Ids, policy: str) -> Bond:
    """Bind a request whose body was read.

    Args:
        ask: the request.
        principal: who asks.
        body: as sent, with the target that it was sent to.
        ids: for the id of a transaction that nobody named.
        policy: digest of the policy that decides.
    """
    content = canonical(body.content, body.content_type, body.form)
    named = bool(ask.evidence.transaction)
    return Bond(
        transaction=ask.evidence.transaction or _transaction_of(ask, principal) or ids.secret(),
        named=named,
        digest=request_digest(ask, principal, body, content, policy),
        method=ask.method,
        target=body.target,
        form=body.form,
        body=content,
    )


def _transaction_of(ask: Ask, principal: Principal) -> str:
    """Name the transaction of an ``Idempotency-Key``: the same for one account and operation, and for no other."""
    if not ask.evidence.idempotency:
        return ""
    name = blake2b(digest_size=16, person=b"transaction")
    for part in (principal.account_key, ask.operation.name.encode(), ask.evidence.idempotency.encode()):
        name.update(len(part).to_bytes(4, "big") + part)
    return name.hexdigest()


def request_digest(ask: Ask, principal: Principal, body: Body, content: Canonical, policy: str) -> str:
    """Digest the exact request, whoever sends it, and the policy that decides it (DESIGN 6).

    Method, path with its parameters, query, how the body is to be read, the canonical body, subject, session, actor,
    operation and policy. Parts are hashed with their lengths, so that no two requests run together.
    """
    digest = sha256()
    parts = (
        ask.method.encode(),
        body.target,
        body.form,
        b"json" if content.is_json else b"bytes",
        content.content,
        principal.account_key,
        principal.session_key,
        principal.actor.encode("utf-8", "surrogatepass"),
        ask.operation.name.encode(),
        policy.encode(),
    )
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def is_foreign(bond: Bond, record: TransactionRecord, principal: Principal) -> bool:
    """Whether a named transaction is missing or somebody else's; the two look the same."""
    return bond.named and (not record.version or record.account != principal.account_key)


def is_altered(bond: Bond, record: TransactionRecord) -> bool:
    """Whether the request is not the one that the transaction is bound to."""
    return bool(record.digest) and bool(bond.digest) and record.digest != bond.digest


def open_transaction(walk: Walk, bond: Bond, ask: Ask, principal: Principal, fallback: Fallback) -> None:
    """Write what a transaction is bound to and what an approver is to see of it, when it begins."""
    if not walk.snapshot.transaction.digest:
        walk.amend(
            "transaction",
            digest=bond.digest,
            operation=ask.operation.name,
            account=principal.account_key,
            session=principal.session_key,
            created=walk.now,
            shown=bond.shown(),
            subject=principal.pseudonym,
        )
    if fallback.kind is Outcome.HOLD and not walk.snapshot.transaction.role:
        actors = dict.fromkeys(actor for actor in (principal.actor, *principal.chain) if actor)
        walk.amend(
            "transaction",
            role=fallback.role,
            count=fallback.count,
            acr=fallback.acr,
            actors=tuple(account_key(principal.issuer, actor) for actor in actors),
        )


def settle(walk: Walk, transaction: str, answer: Answer, failed_on: frozenset[int], seal: Seal) -> None:
    """Let the app's answer move its transaction.

    2xx is ``committed``; a status that the operation says is a failure (``failed_on``) means that nothing happened, so
    ``failed`` and the reservation is released; anything else, or no answer, is ``lost``: nobody knows whether it ran.
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        if walk.happen("transaction.committed", "app"):
            kept = answer.whole and len(answer.body) <= ANSWER_BOUND
            body = seal.close(answer.body, about(transaction, "answer")) if kept else b""
            walk.amend("transaction", status=answer.status, content_type=answer.content_type, answer=body, kept=kept)
    elif answer.status in failed_on:
        fail(walk, transaction, "app")
    else:
        walk.happen("transaction.lost", "app")


def fail(walk: Walk, transaction: str, cause: str) -> bool:
    """Let a transaction fail and give back what it reserved; tell whether it moved."""
    moved = walk.happen("transaction.failed", cause)
    if moved:
        walk.amend("account", ledger=release(walk.snapshot.account.ledger, transaction))
        walk.amend("session", ledger=release(walk.snapshot.session.ledger, transaction))
        for key, record in walk.snapshot.ledgers.items():
            walk.spend(key, release(record.ledger, transaction))
    return moved


def about(transaction: str, what: str) -> bytes:
    """Name what is sealed: one thing of one transaction, which opens as nothing else."""
    return f"{what}\n{transaction}".encode()


def reopen(record: TransactionRecord, transaction: str, seal: Seal) -> TransactionRecord:
    """Open the first answer, for `repeat`; one that cannot be opened is told by its status alone."""
    if not record.kept:
        return record
    opened = seal.open(record.answer, about(transaction, "answer"))
    if isinstance(opened, bytes):
        return replace(record, answer=opened)
    return replace(record, answer=b"", kept=False)

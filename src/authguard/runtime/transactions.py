"""High-security transactions: what a request is bound to, and what the app's answer makes of it (DESIGN 6).

A transaction is named by its id (``Authguard-Transaction``) or by the caller's ``Idempotency-Key``, which names the
same transaction for the same account and operation and no other. It binds the digest of the exact request.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.core.canonical import (
    MAX_TEXT_CHARS,
    CanonicalBody,
    Header,
    canonicalize,
    is_secret_header,
    render_request,
)
from authguard.core.multipart import without_boundary
from authguard.core.outcomes import Outcome, Reason
from authguard.core.snapshot import NO_RESPONSE, account_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.outcomes import Fallback
    from authguard.core.request import Principal
    from authguard.core.snapshot import AccountRecord, Cost, SessionRecord, TransactionRecord
    from authguard.ports import Cipher, Ids
    from authguard.runtime.access import AccessRequest, AppResponse, Body, BoundHeaders
    from authguard.runtime.evaluation import Evaluation

    Headers = tuple[tuple[bytes, bytes], ...]

#: bytes of an app's first answer that are kept for `repeat`; a larger one is told by its status alone
MAX_RESPONSE_BYTES: Final = 65_536
#: headers of an app's first answer that a repeat has too: what the body is, where the outcome is, and how a browser may
#: treat it (RFC 9110 8 and 10.2.2, RFC 8288, RFC 9530); never a cookie or a credential
KEPT_HEADERS: Final = frozenset(
    {
        b"content-encoding",
        b"content-language",
        b"content-location",
        b"content-disposition",
        b"content-digest",
        b"repr-digest",
        b"etag",
        b"last-modified",
        b"location",
        b"link",
        b"content-security-policy",
        b"x-content-type-options",
    }
)
#: bytes of those headers that are kept; an answer that has more is told by its status alone
MAX_HEADER_BYTES: Final = 8_192
#: states of what waited and will never run
VOID_STATES: Final = frozenset({"denied", "lapsed"})
#: where one of these leads on, a transaction may still be run
RUNNABLE_EVENTS: Final = ("transaction.altered", "transaction.started")
#: stands for a limit where an amount cannot be read
UNMEASURED: Final = "unmeasured"
NO_BODY: Final = CanonicalBody(b"", is_json=False)

_pack: Final = msgspec.msgpack.Encoder().encode
_headers: Final = msgspec.msgpack.Decoder(tuple[tuple[bytes, bytes], ...]).decode
_unpack: Final = msgspec.msgpack.Decoder(tuple[str, bytes, bytes, bytes, bool]).decode
_unpack_bound: Final = msgspec.msgpack.Decoder(tuple[str, bytes, bytes, bytes, bool, tuple[Header, ...]]).decode


@dataclass(frozen=True, slots=True)
class RequestBinding:
    """What ties a request to a transaction.

    Attributes:
        transaction: id; empty where the request is none and names none.
        named: whether the caller named it by id, so that it must exist and be theirs.
        digest: of the exact request, its session and the policy; empty where the body was not read.
        asked: of the exact request apart from session and policy.
        policy: digest of the policy that decides.
        method: of the request.
        target: raw path and query, as sent.
        form: the headers that say how the body is to be read, as sent, but for a multipart boundary.
        body: in the form in which it was digested.
        headers: that the operation binds, as they are shown.
    """

    transaction: str = ""
    named: bool = False
    digest: str = ""
    asked: str = ""
    policy: str = ""
    method: str = ""
    target: bytes = b""
    form: bytes = b""
    body: CanonicalBody = NO_BODY
    headers: tuple[Header, ...] = ()

    def is_readable(self) -> bool:
        """Whether a person can be asked to read the exact request."""
        return bool(self.pack()) and bool(render_request(self.method, self.target, self.form, self.body, self.headers))

    def pack(self) -> bytes:
        """Pack the exact request, to be kept; nothing where it is longer than what a person can be asked to read."""
        size = sum(len(value) for _, values in self.headers for value in values)
        if size + len(self.target) + len(self.form) + len(self.body.content) > MAX_TEXT_CHARS:
            return b""
        whole = (self.method, self.target, self.form, self.body.content, self.body.is_json)
        return _pack((*whole, self.headers) if self.headers else whole)


UNBOUND: Final = RequestBinding()


@dataclass(frozen=True, slots=True)
class HeldCosts:
    """What a transaction would spend when it is held.

    Attributes:
        costs: what it counts against each limit.
        tripped: limits that it is over, or `UNMEASURED`.
        ledgers: that its limits count in, beside the account's and the session's own.
    """

    costs: tuple[Cost, ...]
    tripped: tuple[str, ...]
    ledgers: tuple[tuple[str, bytes], ...]


def bind_request(  # noqa: PLR0917 - the parts of one binding
    request: AccessRequest, principal: Principal, body: Body, ids: Ids, policy: str, cipher: Cipher
) -> RequestBinding:
    """Bind a request whose body was read.

    Args:
        request: the request.
        principal: who asks.
        body: as sent, with the target that it was sent to.
        ids: for the id of a transaction that nobody named.
        policy: digest of the policy that decides.
        cipher: marks headers whose values are shown to nobody.
    """
    form, sent = without_boundary(body.form, body.content)
    content = canonicalize(sent, body.content_type, form)
    named = bool(request.evidence.transaction)
    bound = tuple((name, _digest_form(name, sent, cipher)) for name, sent in body.bound)
    asked = request_digest(request, principal, body.target, form, content, bound)
    return RequestBinding(
        transaction=request.evidence.transaction or _transaction_of(request, principal) or ids.secret(),
        named=named,
        digest=bound_digest(asked, principal.session_key, policy),
        asked=asked,
        policy=policy,
        method=request.method,
        target=body.target,
        form=form,
        body=content,
        headers=tuple(_display_form(name, sent, cipher) for name, sent in body.bound),
    )


def _digest_form(name: str, sent: Sequence[tuple[bytes, bytes]], cipher: Cipher) -> tuple[tuple[bytes, bytes], ...]:
    """Return a bound header as it is digested: of what may be a credential a keyed digest.

    Approvers and the log's readers see the digest of the request, and could else guess a short value.
    """
    return (
        tuple((key, cipher.keyed_digest(value).encode()) for key, value in sent)
        if is_secret_header(name)
        else tuple(sent)
    )


def _display_form(name: str, sent: Sequence[tuple[bytes, bytes]], cipher: Cipher) -> Header:
    """Return a bound header as it is kept and shown; of what may be a credential a keyed digest only."""
    if is_secret_header(name):
        return name, tuple(f"keyed digest {cipher.keyed_digest(value)}".encode() for _, value in sent)
    return name, tuple(value if key == name.encode() else key + b": " + value for key, value in sent)


def bound_digest(asked: str, session: bytes, policy: str) -> str:
    """Digest what an approval is bound to: the request, the session that asked, and the policy that decided."""
    return sha256(f"{asked}\n{session.hex()}\n{policy}".encode()).hexdigest()


def _transaction_of(request: AccessRequest, principal: Principal) -> str:
    """Name the transaction of an ``Idempotency-Key``: the same for one account and operation, and for no other."""
    if not request.evidence.idempotency:
        return ""
    name = blake2b(digest_size=16, person=b"transaction")
    for part in (principal.account_key, request.operation.name.encode(), request.evidence.idempotency.encode()):
        name.update(len(part).to_bytes(4, "big") + part)
    return name.hexdigest()


def request_digest(  # noqa: PLR0917 - the parts of a request
    request: AccessRequest,
    principal: Principal,
    target: bytes,
    form: bytes,
    content: CanonicalBody,
    bound: BoundHeaders = (),
) -> str:
    """Digest the exact request and whoever sends it (DESIGN 6), by which a repeat is known.

    Method, path with its parameters, query, how the body is to be read, the canonical body, subject, client, actor,
    operation, and the headers that the operation binds, in the order in which they were sent; of credentials among
    them a keyed digest (`_digest_form`). Parts are hashed with their lengths, so that no two requests run together. The
    session is not among them: a client that signs the subject in again and repeats its request gets the first answer
    (`bound_digest` has it).
    """
    digest = sha256()
    parts = (
        request.method.encode(),
        target,
        form,
        b"json" if content.is_json else b"bytes",
        content.content,
        principal.account_key,
        principal.client.encode("utf-8", "surrogatepass"),
        principal.actor_issuer.encode("utf-8", "surrogatepass"),
        principal.actor.encode("utf-8", "surrogatepass"),
        request.operation.name.encode(),
        *((_pack(bound),) if bound else ()),
    )
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def is_foreign(binding: RequestBinding, record: TransactionRecord, principal: Principal) -> bool:
    """Whether a named transaction is missing or somebody else's; the two look the same."""
    return binding.named and (not record.version or record.account != principal.account_key)


def is_altered(evaluation: Evaluation, binding: RequestBinding) -> bool:
    """Whether the request is not the one that the transaction is bound to.

    One that can still be run is bound to session and policy as well (ADR 13); one that cannot is told to
    whoever repeats the request, from whichever session of the client and under whichever policy.
    """
    record = evaluation.snapshot.transaction
    if not record.digest or not binding.digest or record.digest == binding.digest:
        return False
    return record.asked != binding.asked or any(map(evaluation.can, RUNNABLE_EVENTS))


def is_outdated(record: TransactionRecord, policy: str) -> bool:
    """Whether a transaction was asked for under another policy, so that no approval of it counts (ADR 13)."""
    return bool(record.digest) and record.digest != bound_digest(record.asked, record.session, policy)


def is_revoked(record: TransactionRecord, session: SessionRecord, account: AccountRecord) -> bool:
    """Whether the session or the whole account was signed out since it was asked for, which voids what waits."""
    return bool(record.version) and record.created <= max(session.ended, account.not_before)


def refusal_reason(record: TransactionRecord, binding: RequestBinding) -> Reason:
    """Tell why a request of another session is refused: what waits stays with the session that asked."""
    return Reason.SESSION_CHANGED if record.asked == binding.asked else Reason.TRANSACTION_ALTERED


def void_reason(evaluation: Evaluation, binding: RequestBinding) -> Reason:
    """Tell why the same request, which waited, is not allowed any more: policy, session, or a decision on it."""
    record = evaluation.snapshot.transaction
    if record.state not in VOID_STATES or record.asked != binding.asked or record.by or not binding.digest:
        return Reason.DECIDED
    if is_outdated(record, binding.policy):
        return Reason.POLICY_CHANGED
    revoked = is_revoked(record, evaluation.snapshot.session, evaluation.snapshot.account)
    return Reason.SESSION_CHANGED if revoked or record.digest != binding.digest else Reason.DECIDED


def open_transaction(  # noqa: PLR0917 - the parts of one transaction
    evaluation: Evaluation,
    binding: RequestBinding,
    request: AccessRequest,
    principal: Principal,
    fallback: Fallback,
    cipher: Cipher,
    held: HeldCosts,
) -> None:
    """Write what a transaction is bound to and what an approver is to see of it, when it begins."""
    if not evaluation.snapshot.transaction.digest:
        packed = binding.pack()
        evaluation.update_record(
            "transaction",
            digest=binding.digest,
            operation=request.operation.name,
            account=principal.account_key,
            session=principal.session_key,
            created=evaluation.now,
            request=cipher.encrypt(packed, associated_data(binding.transaction, binding.digest)) if packed else b"",
            asked=binding.asked,
            subject=principal.pseudonym,
        )
    if fallback.kind is Outcome.HOLD and not evaluation.snapshot.transaction.role:
        outermost = (principal.actor_issuer or principal.issuer, principal.actor)
        actors = dict.fromkeys((issuer, actor) for issuer, actor in (outermost, *principal.chain) if actor)
        evaluation.update_record(
            "transaction",
            role=fallback.role,
            count=fallback.count,
            acr=fallback.acr,
            actors=tuple(account_key(issuer, actor) for issuer, actor in actors),
            costs=held.costs,
            tripped=held.tripped,
            ledgers=held.ledgers,
        )


def settle(
    evaluation: Evaluation, transaction: str, answer: AppResponse, failed_on: frozenset[int], cipher: Cipher
) -> None:
    """Let the app's answer move its transaction.

    2xx is ``committed``; a status that the operation says is a failure (``failed_on``) means that nothing happened, so
    ``failed`` and the reservation is released; anything else, or no answer, is ``lost``: nobody knows whether it ran.
    """
    if 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        if evaluation.send("transaction.committed", "app"):
            fits = sum(len(name) + len(value) for name, value in answer.headers) <= MAX_HEADER_BYTES
            kept = answer.whole and len(answer.body) <= MAX_RESPONSE_BYTES and fits
            body = cipher.encrypt(answer.body, associated_data(transaction, "answer")) if kept else b""
            packed = _pack(answer.headers) if answer.headers and fits else b""
            evaluation.update_record(
                "transaction",
                status=answer.status,
                content_type=answer.content_type if kept else "",
                answer=body,
                kept=kept,
                headers=cipher.encrypt(packed, associated_data(transaction, "headers")) if packed else b"",
            )
    elif answer.status in failed_on:
        evaluation.send("transaction.failed", "app")
    else:
        evaluation.send("transaction.lost", "app")


def expire_response(evaluation: Evaluation) -> None:
    """Let go of a first answer whose time is over, before it could be told again."""
    record = evaluation.snapshot.transaction
    if (record.kept or record.headers) and evaluation.now - record.entered >= evaluation.policy.response_retention:
        evaluation.update_record("transaction", **NO_RESPONSE)


def associated_data(transaction: str, what: str) -> bytes:
    """Name what is sealed: one thing of one transaction, which opens as nothing else."""
    return f"{what}\n{transaction}".encode()


def decrypt_request(record: TransactionRecord, transaction: str, cipher: Cipher) -> tuple[str, ...]:
    """Show the exact request to whoever decides, made anew from the sealed bytes.

    They open only as those of this transaction and of its digest; where they do not, nothing is shown.
    """
    if not record.request:
        return record.shown
    opened = cipher.decrypt(record.request, associated_data(transaction, record.digest))
    if not isinstance(opened, bytes):
        return ()
    headers: tuple[Header, ...] = ()
    try:
        method, target, form, content, is_json = _unpack(opened)
    except msgspec.ValidationError:
        method, target, form, content, is_json, headers = _unpack_bound(opened)
    return render_request(method, target, form, CanonicalBody(content, is_json), headers)


def decrypt_response(record: TransactionRecord, transaction: str, cipher: Cipher) -> tuple[TransactionRecord, Headers]:
    """Open the first answer and its headers, for `repeat`; one that cannot be opened is told by its status alone."""
    headers: Headers = ()
    if record.headers:
        opened = cipher.decrypt(record.headers, associated_data(transaction, "headers"))
        if not isinstance(opened, bytes):
            return replace(record, answer=b"", kept=False), ()
        headers = _headers(opened)
    if not record.kept:
        return record, headers
    opened = cipher.decrypt(record.answer, associated_data(transaction, "answer"))
    if isinstance(opened, bytes):
        return replace(record, answer=opened), headers
    return replace(record, answer=b"", kept=False), ()

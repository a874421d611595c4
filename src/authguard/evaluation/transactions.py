"""High-risk transactions: the binding of a transaction to a request, and its settlement by the response (DESIGN 6).

A transaction is named by its id (``Authguard-Transaction``) or by the caller's ``Idempotency-Key``. A key names the
same transaction for the same account and operation, and no other. The transaction binds the digest of the exact
request.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as replace_fields
from hashlib import blake2b, sha256
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.core.outcomes import Outcome, Reason
from authguard.core.record_keys import account_key
from authguard.core.snapshot import NO_RESPONSE
from authguard.evaluation.canonical import (
    CanonicalBody,
    Header,
    canonicalize,
    is_secret_header,
    render_request,
)
from authguard.evaluation.request_binding import UNBOUND, RequestBinding
from authguard.formats.form import parse_form
from authguard.formats.multipart import without_boundary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.outcomes import Fallback
    from authguard.core.request import Principal
    from authguard.core.snapshot import AccountRecord, Cost, Keys, SessionRecord, TransactionRecord
    from authguard.evaluation.decision import AppResponse
    from authguard.evaluation.driver import Evaluation
    from authguard.evaluation.request import AccessRequest, Body, BoundHeaders
    from authguard.ports import Cipher, Ids

    Headers = tuple[tuple[bytes, bytes], ...]

#: maximum size of a response that is stored for `repeat`; of a larger one, only the status is repeated
MAX_RESPONSE_BYTES: Final = 65_536
#: response headers that are stored for `repeat`: they describe the body, locate the result, or restrict the browser
#: (RFC 9110, sections 8 and 10.2.2, RFC 8288, RFC 9530); never a cookie or a credential
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
#: maximum size of these headers; of a response with more, only the status is repeated
MAX_HEADER_BYTES: Final = 8_192
#: states of transactions that were held and will never run
VOID_STATES: Final = frozenset({"denied", "lapsed"})
#: a transaction that can handle one of these events may still run
RUNNABLE_EVENTS: Final = ("transaction.altered", "transaction.started")
#: name used in place of a limit if an amount cannot be parsed
UNMEASURED: Final = "unmeasured"

_pack: Final = msgspec.msgpack.Encoder().encode
_headers: Final = msgspec.msgpack.Decoder(tuple[tuple[bytes, bytes], ...]).decode


@dataclass(frozen=True, slots=True)
class HeldCosts:
    """The costs of a transaction at the time it is held.

    Attributes:
        costs: amount for each limit.
        tripped: names of the exceeded limits, or `UNMEASURED`.
        ledgers: further ledgers that the limits count in, besides those of account and session.
    """

    costs: tuple[Cost, ...]
    tripped: tuple[str, ...]
    ledgers: tuple[tuple[str, bytes], ...]


def bind_request(  # noqa: PLR0917 - the parts of one binding
    request: AccessRequest, principal: Principal, body: Body, ids: Ids, policy: str, cipher: Cipher
) -> RequestBinding:
    """Return the binding of a request after its body was read.

    Args:
        request: the request.
        principal: of the request.
        body: as sent, with its target.
        ids: source of the id, if the caller named no transaction.
        policy: digest of the policy that decides.
        cipher: digests header values that must not be shown.
    """
    form, sent = without_boundary(body.form, body.content)
    content = canonicalize(sent, body.content_type, form)
    if request.operation.reads_form:
        content = replace_fields(content, document=parse_form(form, sent, body.target.partition(b"?")[2]))
    named = bool(request.evidence.transaction)
    bound = tuple([(name, _digest_form(name, sent, cipher)) for name, sent in body.bound])
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
        headers=tuple([_display_form(name, sent, cipher) for name, sent in body.bound]),
    )


def _digest_form(name: str, sent: Sequence[tuple[bytes, bytes]], cipher: Cipher) -> tuple[tuple[bytes, bytes], ...]:
    """Return a bound header as it is digested; of a possible credential, only a keyed digest."""
    # approvers and readers of the log see the request's digest, and could otherwise guess a short value
    return (
        tuple((key, cipher.keyed_digest(value).encode()) for key, value in sent)
        if is_secret_header(name)
        else tuple(sent)
    )


def _display_form(name: str, sent: Sequence[tuple[bytes, bytes]], cipher: Cipher) -> Header:
    """Return a bound header as it is stored and shown; of a possible credential, only a keyed digest."""
    if is_secret_header(name):
        return name, tuple(f"keyed digest {cipher.keyed_digest(value)}".encode() for _, value in sent)
    return name, tuple(value if key == name.encode() else key + b": " + value for key, value in sent)


def bound_digest(asked: str, session: bytes, policy: str) -> str:
    """Return the digest that an approval is bound to: of the request, its session, and the policy that decided."""
    return sha256(f"{asked}\n{session.hex()}\n{policy}".encode()).hexdigest()


def _transaction_of(request: AccessRequest, principal: Principal) -> str:
    """Return the transaction id of an ``Idempotency-Key``: the same for one account and operation, and for no other."""
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
    """Return the digest of the exact request and its sender (DESIGN 6), by which a repeat is recognized.

    It covers method, path with parameters, query, decoding headers, canonical body, subject, client, actor, operation,
    and the headers that the operation binds, in the order sent; of credentials among them, a keyed digest
    (`_digest_form`). Parts are hashed with their lengths, so that two requests never have the same input. The session
    is not included: a client that signs the subject in again and repeats its request gets the first response
    (`bound_digest` includes it).
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


def is_foreign(record: TransactionRecord, principal: Principal) -> bool:
    """Return whether a named transaction is missing or another account's; a caller cannot tell them apart."""
    return not record.version or record.account != principal.account_key


def is_of_other_session(record: TransactionRecord, keys: Keys) -> bool:
    """Return whether a stored transaction was requested by another session of the caller's account.

    Its events are not this request's to send: what they raise belongs to the session that requested it.
    """
    return bool(record.version) and record.account == keys.account and record.session != keys.session


def is_altered(evaluation: Evaluation, binding: RequestBinding) -> bool:
    """Return whether the request differs from the one that the transaction is bound to.

    A transaction that can still run is bound to session and policy as well (ADR 13). A finished one is repeated to the
    same request from any session of the client, under any policy.
    """
    record = evaluation.snapshot.transaction
    if not record.digest or not binding.digest or record.digest == binding.digest:
        return False
    return record.asked != binding.asked or any(map(evaluation.can, RUNNABLE_EVENTS))


def is_outdated(record: TransactionRecord, policy: str) -> bool:
    """Return whether a transaction was requested under another policy, so that no approval of it counts (ADR 13)."""
    return bool(record.digest) and record.digest != bound_digest(record.asked, record.session, policy)


def is_revoked(record: TransactionRecord, session: SessionRecord, account: AccountRecord) -> bool:
    """Return whether the session or the whole account was signed out since the request, which voids the transaction."""
    return bool(record.version) and record.created <= max(session.ended, account.not_before)


def refusal_reason(record: TransactionRecord, binding: RequestBinding) -> Reason:
    """Return why a request of another session is refused: a held transaction stays with its session."""
    return Reason.SESSION_CHANGED if record.asked == binding.asked else Reason.TRANSACTION_ALTERED


def void_reason(evaluation: Evaluation, binding: RequestBinding) -> Reason:
    """Return why a held request is no longer allowed: the policy, the session, or a decision on it."""
    record = evaluation.snapshot.transaction
    if record.state not in VOID_STATES or record.asked != binding.asked or record.by or not binding.digest:
        return Reason.DECIDED
    if is_outdated(record, binding.policy):
        return Reason.POLICY_CHANGED
    revoked = is_revoked(record, evaluation.snapshot.session, evaluation.snapshot.account)
    return Reason.SESSION_CHANGED if revoked or record.digest != binding.digest else Reason.DECIDED


def open_transaction(
    evaluation: Evaluation,
    binding: RequestBinding,
    request: AccessRequest,
    principal: Principal,
    *,
    fallback: Fallback,
    cipher: Cipher,
    held: HeldCosts,
) -> None:
    """Store the binding of a new transaction, and its details for approvers."""
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
    if fallback.kind is Outcome.HOLD and not evaluation.snapshot.transaction.required:
        outermost = (principal.actor_issuer or principal.issuer, principal.actor)
        actors = dict.fromkeys((issuer, actor) for issuer, actor in (outermost, *principal.chain) if actor)
        evaluation.update_record(
            "transaction",
            hold=fallback.name,
            approvers=fallback.approvers,
            actors=tuple(account_key(issuer, actor) for issuer, actor in actors),
            costs=held.costs,
            tripped=held.tripped,
            ledgers=held.ledgers,
        )


def settle(
    evaluation: Evaluation, transaction: str, response: AppResponse, failed_on: frozenset[int], cipher: Cipher
) -> None:
    """Settle a transaction by the app's response.

    2xx is ``committed``. A status in the operation's ``failed_on`` means that nothing was done: ``failed``, and the
    reservation is released. Any other status, or no response, is ``lost``: whether the operation took effect is
    unknown.
    """
    if 200 <= response.status < 300:  # noqa: PLR2004 - HTTP's own numbers
        if evaluation.send("transaction.committed", "app"):
            fits = sum([len(name) + len(value) for name, value in response.headers]) <= MAX_HEADER_BYTES
            kept = response.whole and len(response.body) <= MAX_RESPONSE_BYTES and fits
            body = cipher.encrypt(response.body, associated_data(transaction, "answer")) if kept else b""
            packed = _pack(response.headers) if response.headers and fits else b""
            evaluation.update_record(
                "transaction",
                status=response.status,
                content_type=response.content_type if kept else "",
                answer=body,
                kept=kept,
                headers=cipher.encrypt(packed, associated_data(transaction, "headers")) if packed else b"",
            )
    elif response.status in failed_on:
        evaluation.send("transaction.failed", "app")
    else:
        evaluation.send("transaction.lost", "app")


def expire_response(evaluation: Evaluation) -> None:
    """Delete a stored response after its retention, before it could be repeated."""
    record, retention = evaluation.snapshot.transaction, evaluation.policy.transactions.response_retention
    if (record.kept or record.headers) and evaluation.now - record.entered >= retention:
        evaluation.update_record("transaction", **NO_RESPONSE)


def associated_data(transaction: str, what: str) -> bytes:
    """Return the associated data of an encrypted value: it decrypts only for the same transaction and purpose."""
    return f"{what}\n{transaction}".encode()


def decrypt_request(record: TransactionRecord, transaction: str, cipher: Cipher) -> tuple[str, ...]:
    """Return the stored request as text lines for approvers; empty if it cannot be decrypted."""
    if not record.request:
        return record.shown
    bound = decrypt_binding(record, transaction, cipher)
    return render_request(bound.method, bound.target, bound.form, bound.body, bound.headers) if bound.method else ()


def decrypt_binding(record: TransactionRecord, transaction: str, cipher: Cipher) -> RequestBinding:
    """Return the stored request, which only the transaction's id and digest decrypt; `UNBOUND` if it cannot be read."""
    opened = cipher.decrypt(record.request, associated_data(transaction, record.digest)) if record.request else None
    if not isinstance(opened, bytes):
        return UNBOUND
    return RequestBinding.unpack(opened)


def decrypt_response(record: TransactionRecord, transaction: str, cipher: Cipher) -> tuple[TransactionRecord, Headers]:
    """Return the stored response and its headers, for `repeat`; of one that cannot be decrypted, only the status."""
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

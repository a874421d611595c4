"""Builder for the HTTP and WebSocket replies of each outcome: status, headers, problem body, close code (WIRE 2).

A reply contains only the next step: one body per outcome, with equal bytes for refusals that must look alike.
"""

from __future__ import annotations

from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.asgi.customer_text import customer_text
from authguard.asgi.measure_text import MEASURE_REASONS, measure_text
from authguard.core.outcomes import RESPONSES, Outcome, Reason
from authguard.core.request import PROOF_ALGORITHMS, NotProven

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from authguard.evaluation.decision import Refusal, Verdict
    from authguard.evaluation.request import AccessRequest

PROBLEM_CONTENT_TYPE: Final = b"application/problem+json"
#: outcome -> WebSocket close code (IANA: 3000 Unauthorized, 3003 Forbidden; RFC 6455 7.4.1)
CLOSE_CODES: Final[Mapping[Outcome, int]] = {
    Outcome.CHALLENGE: 3000,
    Outcome.STEP_UP: 3000,
    Outcome.TERMINATE: 3000,
    Outcome.RETRY: 1013,
    Outcome.HANDOFF: 1000,
}
FORBIDDEN_CLOSE_CODE: Final = 3003
#: a constant, since attribute access on an enumeration is slow
REPEAT: Final = Outcome.REPEAT
#: headers of a first response that are valid without its body
BODYLESS_HEADERS: Final = frozenset({b"location", b"link"})
#: statuses of responses without a body and without a content length (RFC 9110 8.6)
BODYLESS_STATUSES: Final = frozenset({204, 205, 304})
NO_PREFIXES: Final[Mapping[str, str]] = MappingProxyType({})
#: scopes of OpenID Connect Core 3.1.2.1 and 11 that no issuer prefixes; other names may be scopes of this API
OPENID_SCOPES: Final = frozenset({"openid", "offline_access"})
#: outcomes with a constant reply, except for the id of the record
CACHEABLE_OUTCOMES: Final = frozenset({Outcome.CHALLENGE, Outcome.DENY, Outcome.TERMINATE})
#: maximum number of such replies that are kept, and the longest path of one: a caller chooses the path and languages
MAX_CACHED_REPLIES: Final = 1_024
MAX_CACHED_PATH_CHARS: Final = 256
#: texts for a held transaction that became void without a decision, whatever text the policy has for a denial
RESUBMIT_TEXTS: Final[Mapping[Reason, str]] = {
    Reason.POLICY_CHANGED: "The rules have changed since you asked for this. Please ask for it again.",
    Reason.SESSION_CHANGED: "You have signed in again since you asked for this. Please ask for it again.",
}
#: invalid proof -> its error code (RFC 9449 7.1 and 9)
PROOF_ERRORS: Final[Mapping[Reason, str]] = {
    Reason.PROOF_INVALID: "invalid_dpop_proof",
    Reason.PROOF_REPLAYED: "invalid_dpop_proof",
    Reason.NONCE_WANTED: "use_dpop_nonce",
}
#: no challenge is sent for these reasons, since a client would fetch new tokens again and again
LACKS_ROLE: Final = frozenset({Reason.ROLE_MISSING, Reason.ROLES_EXCEEDED})
#: prefix of the id of a record in a body (RFC 9457 3.1.5: `instance`)
RECORD_URN_PREFIX: Final = b"urn:authguard:record:"
#: statuses of refusals after which a retry of the same request may succeed (RFC 6585 4, RFC 9110 15.5.9, 15.6.4)
RETRYABLE_STATUSES: Final = frozenset({408, 429, 503})
#: default wait if a fallback has none
DEFAULT_RETRY_AFTER_S: Final = 30
#: refusals of a body because of its size (RFC 6455 7.4.1: 1009)
TOO_LARGE_REASONS: Final = frozenset({Reason.BODY_TOO_LARGE, Reason.BODY_TOO_COMPLEX})
#: seconds to wait after a refusal that only the caller's load caused
BUSY_RETRY_AFTER_S: Final[Mapping[Reason, int]] = {Reason.BUSY: 1, Reason.ACCOUNT_BUSY: 1}


class Reply(msgspec.Struct, frozen=True):
    """One reply of the guard.

    Attributes:
        status: HTTP status.
        headers: ASGI headers with the content length; the sender copies them into a list.
        body: bytes.
        close: WebSocket close code.
        label: reason text of the close frame.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    close: int
    label: str

    @classmethod
    def of(cls, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, close: int, label: str) -> Reply:
        """Build a reply and add its content length."""
        return cls(status, (*headers, (b"content-length", str(len(body)).encode())), body, close, label)


class ReplyBuilder:
    """Builds the replies of one deployment."""

    __slots__ = (
        "_cache",
        "_find_metadata",
        "_origin",
        "_prefix",
        "_realm",
        "_schemes",
        "_scope_prefix",
        "_scope_prefixes",
    )

    def __init__(
        self,
        realm: str,
        origin: str,
        prefix: str,
        *,
        schemes: tuple[str, ...] = ("Bearer",),
        find_metadata: Callable[[str], str] = lambda _: "",
        scope_prefixes: Mapping[str, str] = NO_PREFIXES,
    ) -> None:
        """Store the values that all replies share.

        Args:
            realm: of the challenges (RFC 9110 11.5).
            origin: public origin of the deployment; if empty, replies contain paths instead of URLs.
            prefix: path prefix of the guard's endpoints.
            schemes: accepted authentication schemes, ``DPoP``, ``Bearer`` or both; one challenge each (RFC 9449 7.1).
            find_metadata: path -> URL of the protected resource metadata for challenges (RFC 9728 5.1); empty for none.
            scope_prefixes: issuer -> prefix with which its clients ask for scopes.
        """
        self._realm = _strip_unquotable(realm)
        self._origin = origin
        self._prefix = prefix
        self._schemes = schemes
        self._find_metadata = find_metadata
        self._scope_prefixes = scope_prefixes
        self._scope_prefix = common_prefix(scope_prefixes)
        self._cache: dict[tuple[object, ...], tuple[Reply, bytes, bytes]] = {}

    def build_for_verdict(self, verdict: Verdict, request: AccessRequest, root: str = "", path: str = "") -> Reply:
        """Build the reply for a request that does not reach the app.

        Args:
            verdict: a verdict that does not admit.
            request: the decided request.
            root: root path under which the app is mounted.
            path: path of the request; empty for that of its operation.
        """
        decision, record = verdict.decision, verdict.record
        fallback, languages = decision.fallback, request.evidence.languages
        principal = verdict.principal
        issuer = "" if principal is None else principal.issuer
        # everything that a reply of these outcomes depends on besides the record
        key = (
            *(fallback.name, decision.operation.identity, decision.reason.code, decision.channel),
            *(issuer, languages, path, len(record)),
        )
        cached = None if verdict.credential.nonce else self._cache.get(key)
        if cached is None:
            reply = self._build_new(verdict, languages, root, path)
            is_constant = fallback.kind in CACHEABLE_OUTCOMES and not fallback.discloses
            if is_constant and record and not verdict.credential.nonce and len(path) <= MAX_CACHED_PATH_CHARS:
                # no value before the record comes from a caller, so the first occurrence of the prefix is the right one
                before, urn, after = reply.body.partition(RECORD_URN_PREFIX)
                if len(self._cache) >= MAX_CACHED_REPLIES:
                    self._cache.clear()
                self._cache[key] = (reply, before + urn, after[len(record) :])
            return reply
        reply, before, after = cached
        return Reply(
            reply.status, reply.headers, b"%b%b%b" % (before, record.encode(), after), reply.close, reply.label
        )

    def _build_new(self, verdict: Verdict, languages: str, root: str, path: str) -> Reply:
        if verdict.decision.fallback.kind is REPEAT:
            return _build_repeat(verdict)
        text = _request_text(verdict) or customer_text(verdict.decision.fallback, languages, verdict.decision.channel)
        metadata = self._find_metadata(
            path or verdict.decision.operation.match.path or verdict.decision.operation.match.websocket
        )
        return self._build(verdict, text, verdict.record, root, metadata)

    def _build(self, verdict: Verdict, text: str, record: str, root: str, metadata: str) -> Reply:
        kind = verdict.decision.fallback.kind
        status, title, action = RESPONSES[kind]
        status = verdict.decision.fallback.status or status
        headers = [(b"content-type", PROBLEM_CONTENT_TYPE), (b"cache-control", b"no-store")]
        following: dict[str, Any] = {"action": action}
        challenges = kind in {Outcome.CHALLENGE, Outcome.STEP_UP, Outcome.TERMINATE} or verdict.decision.fallback.error
        if challenges and verdict.decision.reason not in LACKS_ROLE:
            headers += self._challenge(verdict, metadata)
        if verdict.credential.nonce:
            headers.append((b"dpop-nonce", verdict.credential.nonce.encode()))
        self._add_next(verdict, following, headers, root)
        body: dict[str, Any] = {
            "type": f"urn:authguard:outcome:{kind.value}",
            "title": title,
            "status": status,
            **_instance_member(record),
            "detail": text,
            "outcome": kind.value,
            "operation": verdict.decision.operation.name,
            "next": following,
        }
        if verdict.decision.fallback.discloses and verdict.principal is not None:
            states = dict(
                zip(("service", "account", "session", "verification"), verdict.snapshot.states(), strict=False)
            )
            body["states"] = {
                name: states[name] for name in sorted(verdict.decision.fallback.discloses) if name in states
            }
        return Reply.of(
            status, headers, msgspec.json.encode(body), CLOSE_CODES.get(kind, FORBIDDEN_CLOSE_CODE), kind.value
        )

    def build_for_refusal(self, refusal: Refusal, path: str = "") -> Reply:
        """Build the reply for a request without a cell.

        Args:
            refusal: of the request.
            path: of the request.
        """
        reason = refusal.reason
        headers = [(b"content-type", PROBLEM_CONTENT_TYPE), (b"cache-control", b"no-store")]
        if reason is Reason.CREDENTIAL_AMBIGUOUS:
            headers += self._challenges(
                self._find_metadata(path), error="invalid_request", error_description=reason.public
            )
        if reason.status in RETRYABLE_STATUSES:
            headers.append((b"retry-after", str(BUSY_RETRY_AFTER_S.get(reason, DEFAULT_RETRY_AFTER_S)).encode()))
        body = {
            "type": f"urn:authguard:refusal:{reason.code}",
            "title": "The request cannot be judged",
            "status": reason.status,
            "detail": reason.public,
            **_instance_member(refusal.record),
            "next": {"action": "retry" if reason.status in RETRYABLE_STATUSES else "stop"},
        }
        close = 1013 if reason.status in RETRYABLE_STATUSES else 1009 if reason in TOO_LARGE_REASONS else 1007
        return Reply.of(reason.status, headers, msgspec.json.encode(body), close, reason.code)

    def _add_next(
        self, verdict: Verdict, following: dict[str, Any], headers: list[tuple[bytes, bytes]], root: str
    ) -> None:
        fallback = verdict.decision.fallback
        match fallback.kind:
            case Outcome.STEP_UP:
                if verdict.decision.acr_values:
                    following["acr_values"] = " ".join(verdict.decision.acr_values)
                if verdict.decision.max_age >= 0:
                    following["max_age"] = verdict.decision.max_age
            case Outcome.VERIFY:
                following["methods"] = list(fallback.methods)
            case Outcome.HOLD:
                following["transaction"] = verdict.transaction
                address = f"{self._origin or root}{self._prefix}/transactions/{verdict.transaction}"
                headers.append((b"location", address.encode("latin-1")))
                headers.append((b"retry-after", str(ceil(fallback.after) or DEFAULT_RETRY_AFTER_S).encode()))
            case Outcome.HANDOFF:
                following["queue"] = fallback.queue
                if verdict.ticket:
                    following["ticket"] = verdict.ticket
            case Outcome.RETRY:
                after = ceil(fallback.after) or DEFAULT_RETRY_AFTER_S
                following["after"] = after
                headers.append((b"retry-after", str(after).encode()))
            case Outcome.DENY if _request_text(verdict):
                following["because"] = verdict.decision.reason.code
            case _:
                pass

    def _find_prefix(self, verdict: Verdict) -> str:
        """Return the prefix of scopes at the caller's issuer; without a principal, the one that all issuers share."""
        principal = verdict.principal
        return self._scope_prefix if principal is None else self._scope_prefixes.get(principal.issuer, "")

    def _challenge(self, verdict: Verdict, metadata: str) -> list[tuple[bytes, bytes]]:
        """Build the challenges; without ``error`` if the request has no credential (RFC 6750 3.1)."""
        prefix = self._find_prefix(verdict)
        scopes = " ".join(sorted(with_prefix(scope, prefix) for scope in verdict.decision.operation.scopes))
        fallback = verdict.decision.fallback
        credential = verdict.credential
        if fallback.error:
            return self._challenges(metadata, error=fallback.error, scope=scopes)
        if fallback.kind is Outcome.STEP_UP:
            return self._challenges(
                metadata,
                error="insufficient_user_authentication",
                error_description="a stronger or fresher sign-in is needed",
                acr_values=" ".join(verdict.decision.acr_values),
                max_age=str(verdict.decision.max_age) if verdict.decision.max_age >= 0 else "",
                scope=scopes,
            )
        if isinstance(credential, NotProven) and credential.condition == "missing":
            return self._challenges(metadata, scope=scopes)
        public = credential.reason.public if isinstance(credential, NotProven) else "the session has ended"
        error = PROOF_ERRORS.get(verdict.decision.reason, "invalid_token")
        return self._challenges(metadata, error=error, error_description=public, scope=scopes)

    def _challenges(self, metadata: str, **parameters: str) -> list[tuple[bytes, bytes]]:
        """Build one challenge for each scheme; an error of a proof is not part of the ``Bearer`` challenge."""
        is_proof = parameters.get("error") in PROOF_ERRORS.values()
        about = {name: value for name, value in parameters.items() if not name.startswith("error")}
        return [
            (
                b"www-authenticate",
                self._format_challenge(scheme, metadata, about if is_proof and scheme == "Bearer" else parameters),
            )
            for scheme in self._schemes
        ]

    def _format_challenge(self, scheme: str, metadata: str, parameters: Mapping[str, str]) -> bytes:
        given = {"realm": self._realm, **parameters, "resource_metadata": metadata}
        if scheme == "DPoP":
            given["algs"] = " ".join(PROOF_ALGORITHMS)
        parameter_list = ", ".join(f'{name}="{_strip_unquotable(value)}"' for name, value in given.items() if value)
        return f"{scheme} {parameter_list}".encode()


def with_prefix(scope: str, prefix: str) -> str:
    """Return a scope as clients ask for it: the scopes of OpenID Connect have no prefix."""
    return scope if scope in OPENID_SCOPES or scope.startswith(prefix) else prefix + scope


def common_prefix(prefixes: Mapping[str, str]) -> str:
    """Return the prefix that all issuers share; empty if they differ."""
    found = set(prefixes.values())
    return found.pop() if len(found) == 1 else ""


def _request_text(verdict: Verdict) -> str:
    """Return what the caller has to change in the request, whatever text the policy has; empty for nothing."""
    if verdict.decision.fallback.kind is Outcome.DENY and verdict.decision.reason in MEASURE_REASONS:
        return measure_text(verdict.decision.reason, verdict.decision.operation)
    return RESUBMIT_TEXTS.get(verdict.decision.reason, "")


def _strip_unquotable(text: str) -> str:
    """Remove the characters that RFC 6750 3 does not allow inside quotes."""
    return "".join(character for character in text if " " <= character <= "~" and character not in '"\\')


def _build_repeat(verdict: Verdict) -> Reply:
    """Build the first response again; one that was too large to store is replaced by its status and transaction."""
    record = verdict.snapshot.transaction
    headers = [(b"cache-control", b"no-store"), (b"idempotency-replayed", b"true")]
    if record.kept:
        if record.content_type:
            headers.append((b"content-type", record.content_type.encode("latin-1")))
        headers += verdict.headers
        if record.status in BODYLESS_STATUSES:
            return Reply(record.status, tuple(headers), b"", FORBIDDEN_CLOSE_CODE, "repeat")
        return Reply.of(record.status, headers, record.answer, FORBIDDEN_CLOSE_CODE, "repeat")
    headers += [header for header in verdict.headers if header[0] in BODYLESS_HEADERS]
    headers.append((b"content-type", b"application/json"))
    status = record.status or RESPONSES[REPEAT][0]  # a person settled it, so the app's status is unknown
    body = {"outcome": "repeat", "transaction": verdict.transaction, "status": status}
    return Reply.of(status, headers, msgspec.json.encode(body), FORBIDDEN_CLOSE_CODE, "repeat")


def json_reply(status: int, body: Mapping[str, Any], more: Iterable[tuple[bytes, bytes]] = ()) -> Reply:
    """Build the reply of an endpoint."""
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *more]
    return Reply.of(status, headers, msgspec.json.encode(body), FORBIDDEN_CLOSE_CODE, "")


def _instance_member(record: str) -> dict[str, str]:
    """Return the member with the id of the record (RFC 9457 3.1.5); empty if the log could not be written."""
    return {"instance": f"{RECORD_URN_PREFIX.decode()}{record}"} if record else {}

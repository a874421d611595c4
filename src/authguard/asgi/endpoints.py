"""The guard's endpoints under one prefix; each is an operation, decided by the table like any other (WIRE 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.asgi import staff_endpoints, transaction_endpoints
from authguard.asgi.reply import Reply, json_reply, with_retry_text
from authguard.core.outcomes import Outcome, Reason
from authguard.core.request import Match, Operation
from authguard.errors import VerificationRefusedError
from authguard.runtime import sign_out_delay
from authguard.runtime.preview import preview

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.asgi.endpoint_request import EndpointRequest
    from authguard.ports import IssuerStatus
    from authguard.runtime.decision import Verdict

    Endpoint = Callable[[EndpointRequest], Awaitable[Reply | Reason]]

PREFIX: Final = "/.authguard"
#: states of an issuer's keys that need attention
FAILED: Final = frozenset({"unreachable", "unusable"})
#: maximum number of issuers, and of ignored keys of each, in the reply about the guard's health
MAX_LISTED_ISSUERS: Final = 20
MAX_LISTED_KEYS: Final = 20
#: name of the operation that verifies an identity
VERIFY: Final = "authguard.verify"


class VerificationBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST verify`.

    Attributes:
        method: name of the verification method, as in the reply.
        answers: verifier -> the customer's answer, or field -> answer; empty requests a code.
    """

    method: str
    answers: dict[str, str | dict[str, str]] = {}

    def __repr__(self) -> str:
        """Contain no answer."""
        return f"VerificationBody(method={self.method!r})"


async def _session(request: EndpointRequest) -> Reply:
    """Return the operations that the caller may use now, never the state of the account."""
    operations = preview(request.enforcer.policy, request.verdict)
    return json_reply(200, {"signed_in": request.verdict.principal is not None, "operations": operations})


async def _session_end(request: EndpointRequest) -> Reply:
    """End the caller's session."""
    await sign_out_delay.wait_for_next_second(
        request.enforcer.clock, await request.enforcer.reports.end_session(request.verdict)
    )
    return json_reply(200, {"ended": True})


async def _sessions_end(request: EndpointRequest) -> Reply:
    """End every session of the caller's account, on all devices."""
    await sign_out_delay.wait_for_next_second(
        request.enforcer.clock, await request.enforcer.reports.end_session(request.verdict, everywhere=True)
    )
    return json_reply(200, {"ended": True})


async def _verify(request: EndpointRequest) -> Reply | Reason:
    """Verify the caller's identity; the reply is the next step, never a score."""
    body = await request.parse_body(VerificationBody)
    if isinstance(body, Reason):
        return body
    try:
        step = await request.enforcer.verifications.answer(request.verdict, body.method, expand_answers(body.answers))
    except VerificationRefusedError:
        return Reason.PROOF_MALFORMED
    if step.attempt:
        following = {"action": "answer", "method": step.method, "wanted": list(step.wanted)}
        return json_reply(202, {"attempt": step.attempt, "next": following})
    if step.fallback.kind is Outcome.ALLOW:
        return json_reply(200, {"operation": step.operation.name, "next": {"action": "continue"}})
    fallback = with_retry_text(step.fallback, step.method)
    decision = replace(request.verdict.decision, fallback=fallback, operation=step.operation, snapshot=step.snapshot)
    verdict = replace(request.verdict, decision=decision)
    return request.replies.build_for_verdict(verdict, request.access_request, request.root)


def expand_answers(answers: Mapping[str, str | Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return the answers with field names: a bare text becomes the field ``answer``."""
    return {name: {"answer": value} if isinstance(value, str) else value for name, value in answers.items()}


async def _healthz(request: EndpointRequest) -> Reply:
    """Return liveness: the guard decided and recorded this request; and the issuers whose keys need attention.

    The reply has no internal address: anyone may read it, and the log has the rest.
    """
    statuses = request.enforcer.issuer_statuses()
    found = [describe_issuer(one) for one in statuses if one.keys in FAILED or one.ignored or one.insecure_http]
    has_failed = any(one.keys in FAILED for one in statuses)
    return json_reply(
        200,
        {"status": "warning" if has_failed else "ok"} | ({"issuers": found[:MAX_LISTED_ISSUERS]} if found else {}),
    )


def describe_issuer(status: IssuerStatus) -> dict[str, object]:
    """Return the public part of the status of an issuer, without empty members."""
    found = {
        "issuer": status.issuer,
        "keys": status.keys,
        "problem": status.problem,
        "insecure_http": status.insecure_http,
        "ignored": [{"kid": key.kid, "cause": key.cause} for key in status.ignored[:MAX_LISTED_KEYS]],
    }
    return {name: value for name, value in found.items() if value}


def is_served(verdict: Verdict) -> bool:
    """Return whether an endpoint runs: it is admitted, or its request is the answer that the table asks for."""
    return verdict.admits or (verdict.operation.name == VERIFY and verdict.fallback.kind is Outcome.VERIFY)


#: operation -> its endpoint
ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "authguard.session": _session,
    "authguard.session.end": _session_end,
    "authguard.sessions.end": _sessions_end,
    VERIFY: _verify,
    "authguard.healthz": _healthz,
    **transaction_endpoints.ENDPOINTS,
    **staff_endpoints.ENDPOINTS,
}


def own_operations(prefix: str) -> tuple[Operation, ...]:
    """Return the operations of the guard's endpoints, which are matched before those of the policy."""
    return (
        Operation(
            name="authguard.session", match=Match(path=f"{prefix}/session", method="GET"), risk="self", effect="read"
        ),
        Operation(
            name="authguard.session.end",
            match=Match(path=f"{prefix}/session/end", method="POST"),
            risk="self",
            effect="write",
        ),
        Operation(
            name="authguard.sessions.end",
            match=Match(path=f"{prefix}/sessions/end", method="POST"),
            risk="self",
            effect="write",
        ),
        Operation(name=VERIFY, match=Match(path=f"{prefix}/verify", method="POST"), risk="self", effect="write"),
        Operation(
            name="authguard.healthz", match=Match(path=f"{prefix}/healthz", method="GET"), risk="public", effect="read"
        ),
        *transaction_endpoints.own_operations(prefix),
        *staff_endpoints.own_operations(prefix),
    )

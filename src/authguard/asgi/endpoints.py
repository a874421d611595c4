"""The guard's endpoints under one prefix; each is an operation, decided by the table like any other (WIRE 5)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import replace

from authguard.asgi import staff_endpoints, transaction_endpoints
from authguard.asgi.customer_text import with_retry_text
from authguard.asgi.reply import Reply, json_reply
from authguard.asgi.staff_endpoints import StaffEndpoints
from authguard.asgi.transaction_endpoints import TransactionEndpoints
from authguard.core.outcomes import Outcome, Reason
from authguard.core.request import Match, Operation
from authguard.errors import VerificationRefusedError
from authguard.evaluation.preview import preview
from authguard.runtime import sign_out_delay

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.asgi.endpoint_request import EndpointRequest
    from authguard.asgi.reply import ReplyBuilder
    from authguard.evaluation.decision import Verdict
    from authguard.ports import Clock, IssuerStatus
    from authguard.runtime.enforcer import Enforcer
    from authguard.runtime.reports import Reports
    from authguard.runtime.verification import Verifications

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


class SessionEndpoints:
    """The endpoints of every caller, with what they call.

    Args:
        preview: returns the next step of each operation for a caller.
        clock: that times a sign-out.
        reports: end sessions.
        verifications: verify identities.
        issuer_statuses: returns the state of the issuers' keys.
        replies: builds the reply of a next step.
    """

    __slots__ = ("_clock", "_issuer_statuses", "_preview", "_replies", "_reports", "_verifications")

    def __init__(
        self,
        preview: Callable[[Verdict], dict[str, str]],
        clock: Clock,
        *,
        reports: Reports,
        verifications: Verifications,
        issuer_statuses: Callable[[], tuple[IssuerStatus, ...]],
        replies: ReplyBuilder,
    ) -> None:
        self._preview = preview
        self._clock = clock
        self._reports = reports
        self._verifications = verifications
        self._issuer_statuses = issuer_statuses
        self._replies = replies

    async def get_session(self, request: EndpointRequest) -> Reply:
        """Return the operations that the caller may use now, never the state of the account."""
        operations = self._preview(request.verdict)
        return json_reply(200, {"signed_in": request.verdict.principal is not None, "operations": operations})

    async def end_session(self, request: EndpointRequest) -> Reply:
        """End the caller's session."""
        await sign_out_delay.wait_for_next_second(self._clock, await self._reports.end_session(request.verdict))
        return json_reply(200, {"ended": True})

    async def end_all_sessions(self, request: EndpointRequest) -> Reply:
        """End every session of the caller's account, on all devices."""
        await sign_out_delay.wait_for_next_second(
            self._clock, await self._reports.end_session(request.verdict, everywhere=True)
        )
        return json_reply(200, {"ended": True})

    async def verify(self, request: EndpointRequest) -> Reply | Reason:
        """Verify the caller's identity; the reply is the next step, never a score."""
        body = await request.parse_body(VerificationBody)
        if isinstance(body, Reason):
            return body
        try:
            step = await self._verifications.answer(request.verdict, body.method, expand_answers(body.answers))
        except VerificationRefusedError:
            return Reason.PROOF_MALFORMED
        if step.attempt:
            following = {"action": "answer", "method": step.method, "wanted": list(step.wanted)}
            return json_reply(202, {"attempt": step.attempt, "next": following})
        if step.fallback.kind is Outcome.ALLOW:
            return json_reply(200, {"operation": step.operation.name, "next": {"action": "continue"}})
        fallback = with_retry_text(step.fallback, step.method)
        old = request.verdict.decision
        decision = replace(old, fallback=fallback, operation=step.operation, snapshot=step.snapshot)
        verdict = replace(request.verdict, decision=decision)
        return self._replies.build_for_verdict(verdict, request.access_request, request.root)

    async def get_health(self, _: EndpointRequest) -> Reply:
        """Return liveness: the guard decided and recorded this request; and the issuers whose keys need attention.

        The reply has no internal address: anyone may read it, and the log has the rest.
        """
        statuses = self._issuer_statuses()
        found = [describe_issuer(one) for one in statuses if one.keys in FAILED or one.ignored or one.insecure_http]
        has_failed = any(one.keys in FAILED for one in statuses)
        return json_reply(
            200,
            {"status": "warning" if has_failed else "ok"} | ({"issuers": found[:MAX_LISTED_ISSUERS]} if found else {}),
        )


def expand_answers(answers: Mapping[str, str | Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """Return the answers with field names: a bare text becomes the field ``answer``."""
    return {name: {"answer": value} if isinstance(value, str) else value for name, value in answers.items()}


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


#: operation -> its endpoint, a method of `SessionEndpoints`
SESSION_ENDPOINTS: Final[Mapping[str, Callable[[SessionEndpoints, EndpointRequest], Awaitable[Reply | Reason]]]] = {
    "authguard.session": SessionEndpoints.get_session,
    "authguard.session.end": SessionEndpoints.end_session,
    "authguard.sessions.end": SessionEndpoints.end_all_sessions,
    VERIFY: SessionEndpoints.verify,
    "authguard.healthz": SessionEndpoints.get_health,
}
#: operation -> its endpoint, a method of its class
ENDPOINTS: Final[Mapping[str, Callable[..., Awaitable[Reply | Reason]]]] = {
    **SESSION_ENDPOINTS,
    **transaction_endpoints.ENDPOINTS,
    **staff_endpoints.ENDPOINTS,
}


def bind_endpoints(enforcer: Enforcer, replies: ReplyBuilder) -> dict[str, Endpoint]:
    """Return the endpoints by operation, each with the parts of the guard that it calls."""
    policy = enforcer.policy
    sessions = SessionEndpoints(
        partial(preview, policy),
        enforcer.clock,
        reports=enforcer.reports,
        verifications=enforcer.verifications,
        issuer_statuses=enforcer.issuer_statuses,
        replies=replies,
    )
    states = policy.machines["transaction"].spec.states
    transactions = TransactionEndpoints(enforcer.approvals, enforcer.hold_queue, states)
    staff = StaffEndpoints(enforcer.staff_actions, enforcer.flag_actions)
    return {
        **{name: partial(endpoint, sessions) for name, endpoint in SESSION_ENDPOINTS.items()},
        **{name: partial(endpoint, transactions) for name, endpoint in transaction_endpoints.ENDPOINTS.items()},
        **{name: partial(endpoint, staff) for name, endpoint in staff_endpoints.ENDPOINTS.items()},
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

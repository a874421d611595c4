"""The app's view of the guard: the customer of a request, the states, and the methods to report and verify."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI resolves the annotation when it runs

from authguard.asgi.customer_text import customer_text, with_retry_text
from authguard.asgi.endpoints import expand_answers
from authguard.asgi.metadata import issuer_schemes
from authguard.core.events import MACHINES
from authguard.core.identity import encode_identity
from authguard.core.outcomes import RESPONSES, Outcome
from authguard.evaluation.preview import briefing
from authguard.runtime import sign_out_delay

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.decision import Verdict
    from authguard.ports import Clock
    from authguard.runtime.enforcer import Enforcer
    from authguard.runtime.reports import Reports
    from authguard.runtime.state_repository import StateRepository
    from authguard.runtime.verification import Verifications


class NextStep(msgspec.Struct, frozen=True):
    """The next step after an answer; all fields may be read to the customer.

    Attributes:
        action: ``continue``, ``answer`` (more answers are needed), ``verify`` (try again, or another method),
            ``retry``, ``talk_to_person``, ``authenticate``, ``wait`` or ``stop``.
        methods: verification methods that may be tried now.
        method: the method in progress.
        wanted: verifiers that need an answer.
        attempt: id of the attempt in progress.
        queue: queue of the hand-off.
        after: seconds to wait.
        message: text for the customer, in their language and for their channel; empty for ``continue`` and ``answer``.
    """

    action: str
    methods: tuple[str, ...] = ()
    method: str = ""
    wanted: tuple[str, ...] = ()
    attempt: str = ""
    queue: str = ""
    after: float = 0.0
    message: str = ""


class GuardServices(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The parts of the guard that the app's view of a request calls; one value for all requests.

    Attributes:
        summarize: returns what a caller may do now, for a model's prompt.
        clock: that times a sign-out.
        repository: of the states.
        reports: of the app.
        verifications: of identities.
        find_metadata: path -> URL of its resource metadata; empty for none.
        schemes: issuer -> scheme of its credentials (RFC 9449 7.1); the one of the deployment under an empty name.
    """

    summarize: Callable[[Verdict], str]
    clock: Clock
    repository: StateRepository
    reports: Reports
    verifications: Verifications
    find_metadata: Callable[[str], str]
    schemes: Mapping[str, str]

    @classmethod
    def of(cls, enforcer: Enforcer, find_metadata: Callable[[str], str]) -> GuardServices:
        """Return the parts of a guard."""
        return cls(
            summarize=partial(briefing, enforcer.policy),
            clock=enforcer.clock,
            repository=enforcer.repository,
            reports=enforcer.reports,
            verifications=enforcer.verifications,
            find_metadata=find_metadata,
            schemes=issuer_schemes(enforcer),
        )


class Guard(msgspec.Struct, eq=False, gc=False):
    """One admitted request: ``request.state.authguard`` (WIRE 3).

    It stores the verdict; the properties derive everything else from it.
    """

    _services: GuardServices
    _verdict: Verdict
    #: ``Accept-Language`` of the request
    _languages: str = ""
    #: the states since the last report or refresh
    _current: Snapshot | None = None

    def __repr__(self) -> str:
        """Contain only data that the log has too."""
        return f"Guard({self._verdict!r})"

    @property
    def _snapshot(self) -> Snapshot:
        return self._verdict.snapshot if self._current is None else self._current

    @property
    def subject(self) -> str:
        """``sub`` of the credential; empty without a proven credential. Unique only together with `issuer`."""
        principal = self._verdict.principal
        return principal.subject if principal else ""

    @property
    def issuer(self) -> str:
        """``iss`` of the credential; empty without a proven credential."""
        principal = self._verdict.principal
        return principal.issuer if principal else ""

    @property
    def identity(self) -> str:
        """Issuer and subject in one text, equal to ``request.user.identity``: the key for data of a user."""
        principal = self._verdict.principal
        return encode_identity(principal.issuer, principal.subject) if principal else ""

    @property
    def client(self) -> str:
        """The client to which the token was issued; empty if the token names none, or without a proven credential."""
        principal = self._verdict.principal
        return principal.client if principal else ""

    @property
    def claims(self) -> Mapping[str, Any]:
        """The verified claims, deeply read-only; empty without a proven credential. Never log them."""
        principal = self._verdict.principal
        return MappingProxyType({name: _freeze(value) for name, value in principal.claims.items()} if principal else {})

    @property
    def actor(self) -> str:
        """The actor for the subject: ``sub`` of the outermost ``act`` (RFC 8693 4.1); empty if the subject acts."""
        principal = self._verdict.principal
        return principal.actor if principal else ""

    @property
    def actor_issuer(self) -> str:
        """The issuer of `actor`; empty if the subject acts."""
        principal = self._verdict.principal
        return (principal.actor_issuer or principal.issuer) if principal and principal.actor else ""

    @property
    def person(self) -> bool:
        """Whether the subject is a person; false for a machine, and without a proven credential."""
        principal = self._verdict.principal
        return principal is not None and principal.person

    @property
    def channel(self) -> str:
        """The channel of the customer, if the policy trusts its source; empty if unknown."""
        return self._verdict.channel

    @property
    def operation(self) -> str:
        """The name of the matched operation."""
        return self._verdict.operation.name

    @property
    def outcome(self) -> str:
        """``allow`` or ``restrict``; with any other outcome the app does not run."""
        return self._verdict.fallback.kind.value

    @property
    def states(self) -> Mapping[str, str]:
        """Machine -> state, as of the last event. For the app, not for the customer."""
        return dict(zip(MACHINES, self._snapshot.states(), strict=True))

    @property
    def assurance(self) -> Mapping[str, str | float]:
        """``acr`` and ``auth_time`` (epoch seconds UTC, 0 for unknown) of the credential."""
        principal = self._verdict.principal
        return {"acr": principal.acr, "auth_time": principal.auth_time} if principal else {"acr": "", "auth_time": 0.0}

    @property
    def scopes(self) -> frozenset[str]:
        """The granted scopes of the token."""
        return self._verdict.token_scopes

    @property
    def transaction(self) -> str:
        """The transaction that this request runs; empty if it runs none."""
        return self._verdict.transaction

    @property
    def record_id(self) -> str:
        """The id of the audit record of this decision."""
        return self._verdict.record

    @property
    def prompt_summary(self) -> str:
        """Two or three sentences for a model's prompt: what this customer may do now, may not do, and how to ask."""
        return self._services.summarize(self._verdict.with_snapshot(self._snapshot))

    async def report(self, event: str, note: str = "") -> None:
        """Report an event about this customer; reports only tighten (DESIGN 2).

        The customer can undo an event of a session or a verification by a new sign-in or a new verification. Only staff
        can undo an event of an account, so the policy lists the events that may be reported: ``reports: {app: [...]}``.

        Args:
            event: ``verification.doubted``, ``session.ended``, ``account.restricted`` ... (see the reference).
            note: reason for the log; without personal data.

        Raises:
            ReportRefusedError: the event is unknown, would loosen or is not listed, or no credential is proven.
            AuditError: the report cannot be recorded, and has no effect.
            StoreError: the report cannot be saved, and has no effect.
            TimeoutError: the policy's budget is used up; the report has no effect.
        """
        after = await self._services.reports.report(self._verdict, event, note)
        self._current = replace(after, transaction=self._snapshot.transaction)

    async def set_flag(self, name: str, note: str = "") -> None:
        """Set a flag about this customer that the policy lets the app set: ``set_by: [{app: report}]``.

        Such a flag only restricts, which the checks of the policy prove. It expires as the policy says, and only people
        with a role of its ``cleared_by`` can clear it earlier.

        Args:
            name: of the flag.
            note: reason for the log; without personal data.

        Raises:
            ReportRefusedError: there is no such flag, the app may not set it, no credential is proven, or the flag is
                kept by payee and this request names none.
            AuditError, StoreError, TimeoutError: as for `report`.
        """
        after = await self._services.reports.set_flag(self._verdict, name, note)
        self._current = replace(after, transaction=self._snapshot.transaction)

    async def end_session(self, *, everywhere: bool = False) -> None:
        """Sign the customer out: no token of this session is accepted without a fresh sign-in.

        This lasts up to a second: sign-in times have whole seconds, and a token of this second may be from before the
        sign-out, for example a stolen one.

        Args:
            everywhere: end every session of the account, on all devices (ASVS 7.4.3).

        Raises:
            ReportRefusedError: no credential is proven.
            AuditError, StoreError, TimeoutError: as for `report`.
        """
        after = await self._services.reports.end_session(self._verdict, everywhere=everywhere)
        self._current = replace(after, transaction=self._snapshot.transaction)
        await sign_out_delay.wait_for_next_second(self._services.clock, after)

    async def verify(self, method: str, answers: Mapping[str, str | Mapping[str, str]] | None = None) -> NextStep:
        """Verify the customer's identity within a conversation, in which the answers arrive.

        Args:
            method: a method of `NextStep.methods` or of the reply.
            answers: verifier -> the customer's answer (or field -> answer); ``None`` requests a code.

        Raises:
            VerificationRefusedError: the method is unknown, no credential is proven, or an answer is too large.
            AuditError, StoreError, TimeoutError: the result cannot be recorded or saved; the attempt stays counted.
        """
        step = await self._services.verifications.answer(self._verdict, method, expand_answers(answers or {}))
        self._current = step.snapshot
        fallback = with_retry_text(step.fallback, step.method)
        if step.attempt:
            return NextStep("answer", method=step.method, wanted=step.wanted, attempt=step.attempt)
        if fallback.kind is Outcome.ALLOW:
            return NextStep("continue")
        return NextStep(
            RESPONSES[fallback.kind][2],
            methods=fallback.methods,
            queue=fallback.queue,
            after=fallback.after,
            message=customer_text(fallback, self._languages, self.channel),
        )

    async def refresh(self) -> None:
        """Load the current states of the customer; an open WebSocket calls this after each in-band answer.

        Raises:
            StoreError: the states cannot be loaded; the guard keeps those that it has.
        """
        after = (await self._services.repository.load(self._verdict.keys)).snapshot
        self._current = replace(after, transaction=self._snapshot.transaction)

    def require(self, *scopes: str) -> None:
        """Require further scopes of the token.

        Raises:
            HTTPException: 403 with an ``insufficient_scope`` challenge that names all of them (RFC 6750 3.1).
        """
        if not self.scopes.issuperset(scopes):
            wanted = " ".join(sorted(scopes))
            match = self._verdict.operation.match
            address = self._services.find_metadata(match.path or match.websocket)
            challenge = f'{self._scheme()} error="insufficient_scope", scope="{wanted}"'
            challenge += f', resource_metadata="{address}"' if address else ""
            raise HTTPException(403, "the access token lacks a scope", {"WWW-Authenticate": challenge})

    def _scheme(self) -> str:
        """Return the scheme of this request's credential (RFC 9449 7.1), or the first one of the deployment."""
        principal = self._verdict.principal
        return self._services.schemes["" if principal is None else principal.issuer]


def _freeze(value: object) -> object:
    """Return a deeply read-only copy of a JSON value: the cached claims of a token are shared by its requests."""
    if isinstance(value, dict):
        return MappingProxyType({name: _freeze(one) for name, one in value.items()})
    return tuple(map(_freeze, value)) if isinstance(value, list) else value


def current_guard(connection: HTTPConnection) -> Guard:
    """Return the guard of a request or WebSocket; also a FastAPI dependency: ``Depends(current_guard)``.

    Raises:
        HTTPException: 500 if the app is not behind `AuthGuard`: an unguarded app must not appear guarded.
    """
    guard: Any = getattr(connection.state, "authguard", None)
    if not isinstance(guard, Guard):
        raise HTTPException(500, "this app is not behind AuthGuard; add the middleware")
    return guard

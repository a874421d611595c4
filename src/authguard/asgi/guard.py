"""What the app sees of the guard: who speaks, in what states, and what the app may report back."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI resolves the annotation when it runs

from authguard.asgi.endpoints import expand_answers
from authguard.asgi.metadata import schemes
from authguard.asgi.reply import customer_text, with_retry_text
from authguard.core.events import MACHINES
from authguard.core.identity import encode_identity
from authguard.core.outcomes import RESPONSES, Outcome
from authguard.runtime import sign_out_delay
from authguard.runtime.preview import briefing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.snapshot import Snapshot
    from authguard.runtime.access import Verdict
    from authguard.runtime.enforcer import Enforcer


class NextStep(msgspec.Struct, frozen=True):
    """What comes next after an answer; nothing here may not be read to the customer.

    Attributes:
        action: ``continue``, ``answer`` (more is wanted), ``verify`` (try again, or otherwise), ``retry``,
            ``talk_to_person``, ``authenticate``, ``wait`` or ``stop``.
        methods: that may be tried now.
        method: that goes on.
        wanted: verifiers that have to be answered.
        attempt: id of the attempt that goes on.
        queue: where a person takes over.
        after: seconds to wait.
        message: the customer's words, in their language and for their channel; empty for ``continue`` and ``answer``.
    """

    action: str
    methods: tuple[str, ...] = ()
    method: str = ""
    wanted: tuple[str, ...] = ()
    attempt: str = ""
    queue: str = ""
    after: float = 0.0
    message: str = ""


class Guard(msgspec.Struct, eq=False, gc=False):
    """One admitted request, as the guard sees it: ``request.state.authguard`` (WIRE 3).

    It keeps the verdict; everything else is derived when asked for.
    """

    _enforcer: Enforcer
    _verdict: Verdict
    #: ``Accept-Language`` of the request
    _languages: str = ""
    #: where the machines stand since the app reported something
    _current: Snapshot | None = None

    def __repr__(self) -> str:
        """Tell no more than the log does."""
        return f"Guard({self._verdict!r})"

    @property
    def _snapshot(self) -> Snapshot:
        return self._verdict.snapshot if self._current is None else self._current

    @property
    def subject(self) -> str:
        """``sub`` of the credential; empty where nobody is proven. Unique only together with `issuer`."""
        principal = self._verdict.principal
        return principal.subject if principal else ""

    @property
    def issuer(self) -> str:
        """``iss`` of the credential; empty where nobody is proven."""
        principal = self._verdict.principal
        return principal.issuer if principal else ""

    @property
    def identity(self) -> str:
        """Issuer and subject in one text, the same as ``request.user.identity``: key by this what you keep."""
        principal = self._verdict.principal
        return encode_identity(principal.issuer, principal.subject) if principal else ""

    @property
    def client(self) -> str:
        """The client to which the token was issued; empty where the issuer names none, or nobody is proven."""
        principal = self._verdict.principal
        return principal.client if principal else ""

    @property
    def claims(self) -> Mapping[str, Any]:
        """The verified claims, read-only to the last level; empty where nobody is proven. Never log them."""
        principal = self._verdict.principal
        return MappingProxyType({name: _frozen(value) for name, value in principal.claims.items()} if principal else {})

    @property
    def actor(self) -> str:
        """Who acts for the subject: ``sub`` of the outermost ``act``; empty where the subject acts (RFC 8693 4.1)."""
        principal = self._verdict.principal
        return principal.actor if principal else ""

    @property
    def actor_issuer(self) -> str:
        """The issuer of `actor`; empty where the subject acts."""
        principal = self._verdict.principal
        return (principal.actor_issuer or principal.issuer) if principal and principal.actor else ""

    @property
    def person(self) -> bool:
        """Whether the subject is a person; false for a machine that comes alone, and where nobody is proven."""
        principal = self._verdict.principal
        return principal is not None and principal.person

    @property
    def channel(self) -> str:
        """Where the customer speaks from, as far as it is believed; empty where unknown."""
        return self._verdict.channel

    @property
    def operation(self) -> str:
        """The operation that was matched."""
        return self._verdict.operation.name

    @property
    def outcome(self) -> str:
        """``allow`` or ``restrict``: an app that runs sees no other."""
        return self._verdict.fallback.kind.value

    @property
    def states(self) -> Mapping[str, str]:
        """Machine -> state, as of the last thing that happened. For the app: not for the customer."""
        return dict(zip(MACHINES, self._snapshot.states(), strict=True))

    @property
    def assurance(self) -> Mapping[str, str | float]:
        """``acr`` and ``auth_time`` (epoch seconds UTC, 0 for unknown) of the credential."""
        principal = self._verdict.principal
        return {"acr": principal.acr, "auth_time": principal.auth_time} if principal else {"acr": "", "auth_time": 0.0}

    @property
    def scopes(self) -> frozenset[str]:
        """What is left of the token's scopes."""
        return self._verdict.token_scopes

    @property
    def transaction(self) -> str:
        """The transaction that this request runs; empty where it is none."""
        return self._verdict.transaction

    @property
    def record_id(self) -> str:
        """The audit record of this request's decision."""
        return self._verdict.record

    @property
    def prompt_summary(self) -> str:
        """Two or three sentences for a model's prompt: what this customer may do now, what not, and how to ask."""
        return briefing(self._enforcer.policy, replace(self._verdict, snapshot=self._snapshot))

    async def report(self, event: str, note: str = "") -> None:
        """Report what the app learned of this customer; reports only tighten (DESIGN 2).

        What a session or a verification does is this customer's to mend: they sign in or prove who they are again. The
        state of an account only a person lifts, so the policy lists what may be reported: ``reports: {app: [...]}``.

        Args:
            event: ``verification.doubted``, ``session.ended``, ``account.restricted`` ... (see the reference).
            note: why, for the log; no personal data.

        Raises:
            ReportRefusedError: the event is unknown, would loosen or is not listed, or nobody is signed in.
            AuditError: it cannot be recorded, so it did not happen.
            StoreError: it cannot be saved, so it did not happen.
            TimeoutError: it did not happen within the policy's budget.
        """
        after = await self._enforcer.reports.report(self._verdict, event, note)
        self._current = replace(after, transaction=self._snapshot.transaction)

    async def end_session(self, *, everywhere: bool = False) -> None:
        """Sign the customer out: no token of this session is taken again without a fresh sign-in.

        Takes up to a second: sign-ins bear whole seconds, and one of this second may be a thief's from before.

        Args:
            everywhere: of every session of the account, on whichever device (ASVS 7.4.3).

        Raises:
            ReportRefusedError: nobody is signed in.
            AuditError, StoreError, TimeoutError: as for `report`.
        """
        after = await self._enforcer.reports.end_session(self._verdict, everywhere=everywhere)
        self._current = replace(after, transaction=self._snapshot.transaction)
        await sign_out_delay.wait_for_next_second(self._enforcer.clock, after)

    async def verify(self, method: str, answers: Mapping[str, str | Mapping[str, str]] | None = None) -> NextStep:
        """Prove who the customer is in the middle of a talk, where the answers arrive.

        Args:
            method: by which, as `NextStep.methods` or the reply named it.
            answers: verifier -> what the customer said (or field -> what they said); none has a code sent.

        Raises:
            VerificationRefusedError: there is no such method, nobody is signed in, or an answer is too large.
            AuditError, StoreError, TimeoutError: it cannot be recorded or saved; the attempt stays counted.
        """
        step = await self._enforcer.verifications.answer(self._verdict, method, expand_answers(answers or {}))
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
        """See what has become of the customer's standing since; an open WebSocket does so after each in-band answer.

        Raises:
            StoreError: the standing cannot be loaded; what was known before still stands here.
        """
        after = (await self._enforcer.repository.load(self._verdict.keys)).snapshot
        self._current = replace(after, transaction=self._snapshot.transaction)

    def require(self, *scopes: str) -> None:
        """Refuse to go on without further scopes.

        Raises:
            HTTPException: 403 with an ``insufficient_scope`` challenge that names all of them (RFC 6750 3.1).
        """
        if not self.scopes.issuperset(scopes):
            wanted = " ".join(sorted(scopes))
            challenge = f'{self._scheme()} error="insufficient_scope", scope="{wanted}"'
            raise HTTPException(403, "the access token lacks a scope", {"WWW-Authenticate": challenge})

    def _scheme(self) -> str:
        """Return the scheme of this request's credential (RFC 9449 7.1); the deployment's first where there is none."""
        principal = self._verdict.principal
        if principal is None:
            return schemes(self._enforcer)[0]
        return "DPoP" if self._enforcer.policy.issuers[principal.issuer].sender_constraint == "dpop" else "Bearer"


def _frozen(value: object) -> object:
    """Return a JSON value that nobody can change: what is remembered of a token is shared by its requests."""
    if isinstance(value, dict):
        return MappingProxyType({name: _frozen(one) for name, one in value.items()})
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def current_guard(connection: HTTPConnection) -> Guard:
    """Give the guard of a request or WebSocket; also a FastAPI dependency: ``Depends(current_guard)``.

    Raises:
        HTTPException: 500 where the app is not behind `AuthGuard`: an unguarded app must not look guarded.
    """
    guard: Any = getattr(connection.state, "authguard", None)
    if not isinstance(guard, Guard):
        raise HTTPException(500, "this app is not behind AuthGuard; add the middleware")
    return guard

"""The ASGI middleware: reads the scope, calls the enforcer, and either runs the app or sends one reply.

Rules of this file:
- Pure ASGI, without mutable state. Only `lifespan` passes undecided; scope types other than ``http`` and ``websocket``
  are refused. No request passes because of its form: an ``OPTIONS`` is a request like any other.
- If an app runs a transaction, its last byte is sent only after the transaction was settled.
"""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace
from starlette.authentication import AuthCredentials

from authguard.asgi.app import find_host_patterns, find_root_path
from authguard.asgi.body import BodyLimits, BodyReader
from authguard.asgi.credential_place import CredentialReader
from authguard.asgi.dpop import ProofReader, with_nonce
from authguard.asgi.endpoint_request import EndpointRequest
from authguard.asgi.endpoints import ENDPOINTS, VERIFY, bind_endpoints, is_served, own_operations
from authguard.asgi.evidence import (
    EvidenceReader,
    bound_headers,
    read_trace,
    request_target,
    strip_guard_headers,
)
from authguard.asgi.guard import Guard, GuardServices
from authguard.asgi.lifespan import Lifespan
from authguard.asgi.metadata import METADATA, Metadata, schemes, scope_prefixes
from authguard.asgi.reply import Reply, ReplyBuilder
from authguard.asgi.reply_sender import deny, send_reply, with_outcome_header
from authguard.asgi.request_context import RequestContext
from authguard.asgi.response_recorder import run_flagged, run_transaction
from authguard.asgi.unnamed_route_log import UnnamedRouteLog
from authguard.asgi.user import User, build_user, wrap_app
from authguard.asgi.websocket_verification import WebSocketVerification
from authguard.core.credential_place import AUTHORIZATION
from authguard.core.flags import COMMITTED
from authguard.core.outcomes import ADMITTING, Outcome, Reason
from authguard.core.request import Evidence
from authguard.errors import AuthguardError, BusyError, StoreError
from authguard.evaluation.decision import Refusal, Verdict
from authguard.evaluation.operation_index import WEBSOCKET, make_channel_finder
from authguard.evaluation.request import UNMATCHED, AccessRequest, Body, BodyFailure
from authguard.evaluation.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from authguard.core.request import Operation
    from authguard.runtime.cached_decision import Missed
    from authguard.runtime.enforcer import Enforcer

    Message = MutableMapping[str, Any]
    Scope = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Scope, Receive, Send], Awaitable[None]]


#: maximum body size of the guard's endpoints: answers, reasons and notes are short
MAX_ENDPOINT_BODY_BYTES: Final = 65_536
#: a constant, since attribute access on an enumeration is slow
ALLOWED: Final = Outcome.ALLOW
NOT_FOUND: Final = 404


class GuardMiddleware:
    """The middleware of one guarded app; `authguard.AuthGuard` builds it from a policy and settings."""

    def __init__(self, app: App, enforcer: Enforcer, *, prefix: str, exposes_token: bool = False) -> None:
        """Prepare everything that requests need; the middleware is immutable, except for the hosts of the app.

        Args:
            app: the guarded app.
            enforcer: decides the requests.
            prefix: path prefix of the guard's endpoints.
            exposes_token: whether the MCP SDK's access token contains the credential.
        """
        policy = enforcer.policy
        self._app: Final = app
        self._enforcer: Final = enforcer
        self._decide_cached: Final = enforcer.cached_decider.decide
        self._exposes_token: Final = exposes_token
        self._metadata: Final = Metadata.of(enforcer)
        own = (*own_operations(prefix), *self._metadata.operations)
        self._unnamed_routes: Final = UnnamedRouteLog(app, enforcer.clock)
        self._resolver: Final = Resolver(
            policy.operations,
            policy.otherwise,
            own,
            admits=policy.admits_unnamed,
            hosts=policy.hosts,
            root=policy.settings.root_path,
            app_root=find_root_path(app),
            has_both=self._unnamed_routes.has_both,
        )
        #: whether the app was inspected; at its first request, since routes are added after the app was wrapped
        self._is_inspected = False
        #: whether evidence is read from more than the usual headers
        self._has_further_readers = True
        #: what a record states besides the headers; ``None`` if nothing, which costs a request nothing
        self._context: RequestContext | None = None
        self._verify: Final = next(operation for operation in own if operation.name == VERIFY)
        self._channel: Final = make_channel_finder(policy.channels.paths)
        self._replies: Final = ReplyBuilder(
            policy.name,
            policy.settings.public_url,
            prefix,
            schemes=schemes(enforcer),
            find_metadata=self._metadata.find_address,
            scope_prefixes=scope_prefixes(enforcer),
        )
        self._services: Final = GuardServices.of(enforcer, self._metadata.find_address)
        self._endpoints: Final = bind_endpoints(enforcer, self._replies)
        #: parts of the guard that requests call besides the decision
        self._faults: Final = enforcer.faults
        self._in_flight: Final = enforcer.in_flight
        self._settle: Final = enforcer.reports.settle
        self._commit_flags: Final = enforcer.reports.commit_flags
        #: operations of which a 2xx response sets flags; mostly none, which costs a request one look
        self._flagging: Final = frozenset(one for event, one in policy.flag_setters if event == COMMITTED)
        self._run_in_thread: Final = enforcer.fair_worker.run
        self._proofs: Final = ProofReader(policy.settings.public_url) if "DPoP" in schemes(enforcer) else None
        #: `None` if only ``Authorization`` is read, so that other policies cost nothing
        self._credentials: Final = (
            None
            if policy.credentials == (AUTHORIZATION,)
            else CredentialReader(policy.credentials, policy.settings.public_url)
        )
        self._secret: Final = frozenset(one.secret_header.encode("latin-1") for one in policy.by_gateway)
        self._evidence: Final = EvidenceReader(
            frozenset(one.header.encode("latin-1") for one in policy.by_gateway) | self._secret,
            self._credentials.known if self._credentials else frozenset(),
        )
        self._body_limits: Final = BodyLimits(
            max_bytes=policy.budget.body,
            idle_timeout=policy.budget.body_idle_timeout,
            min_rate=policy.budget.body_min_rate,
            timeout=policy.budget.body_timeout,
        )
        endpoint_bytes = min(policy.budget.body, MAX_ENDPOINT_BODY_BYTES)
        self._endpoint_limits: Final = dataclasses.replace(self._body_limits, max_bytes=endpoint_bytes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection; a coroutine function, by which servers recognize ASGI 3.

        Raises:
            AuthguardError: the scope type is not supported.
        """
        await self.serve(scope, receive, send)

    def serve(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return an awaitable that serves one connection.

        If the decision is cached, it is recorded before this returns, and the awaitable is that of the app itself.

        Raises:
            AuthguardError: the scope type is not supported.
        """
        if scope["type"] != "http":
            return self._serve_other(scope, receive, send)
        if not self._is_inspected:
            self._inspect_app()
        operation = self._resolver.find_exact(scope) or self._find(scope)
        if isinstance(operation, Reason):
            return self._refuse(operation, scope, send)
        evidence = self._evidence.read(scope)
        if self._has_further_readers:
            evidence = self._read_further(evidence, scope, operation)
        if isinstance(evidence, Reason):
            return self._refuse(evidence, scope, send)
        channel = self._channel(self._resolver.path(scope)) if self._channel else ""
        request = AccessRequest(operation=operation, evidence=evidence, method=scope["method"], channel=channel)
        found = self._decide_cached(request)
        if isinstance(found, Verdict):
            return self._apply_verdict(request, found, scope, receive, send)
        return self._decide(request, found, scope, receive, send)

    def _find(self, scope: Scope) -> Operation | Reason:
        """Resolve a request by its path template, or log that no operation names it."""
        method, path = scope["method"], self._resolver.path(scope)
        found = self._resolver.find(method, path, scope)
        if isinstance(found, Reason) and found.status == NOT_FOUND:
            self._unnamed_routes.warn(method, path)
        return found

    def _read_further(self, evidence: Evidence | Reason, scope: Scope, operation: Operation) -> Evidence | Reason:
        """Add what only some policies and deployments read."""
        if self._credentials is not None and not isinstance(evidence, Reason):
            evidence = self._credentials.read(evidence, scope, operation)
        if self._proofs is not None and not isinstance(evidence, Reason):
            evidence = self._proofs.read(evidence, scope)
        if self._context is not None and not isinstance(evidence, Reason):
            evidence = self._context.add(evidence, scope)
        return evidence

    def _inspect_app(self) -> None:
        context = RequestContext(self._enforcer.peer_name, records_peer="peer" in self._enforcer.policy.audit.request)
        self._context = None if context.is_empty else context
        self._has_further_readers = not (self._credentials is None and self._proofs is None and self._context is None)
        self._resolver.set_app_hosts(find_host_patterns(self._app))
        self._is_inspected = True

    def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        kind = scope["type"]
        if kind == "websocket":
            return self._websocket(scope, receive, send)
        if kind == "lifespan":
            return self._lifespan(scope, receive, send)
        raise AuthguardError("a connection of this type cannot be guarded; serve it outside AuthGuard")

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        # If the guard cannot open, the start-up fails and the error is raised, as in Starlette: its test client would
        # otherwise wait forever. `Lifespan` answers the server for an app without lifespan support, so that the guard
        # is closed there too.
        lifespan = Lifespan(receive, send, self._enforcer.close)
        try:
            await lifespan.start(self._enforcer.start)
            await lifespan.serve(self._app, scope)
        finally:
            await self._enforcer.close()

    async def _decide(self, request: AccessRequest, missed: Missed, scope: Scope, receive: Receive, send: Send) -> None:
        body: BodyReader | None = None

        async def read_body() -> Body | BodyFailure:
            nonlocal body
            if body is None:
                body = BodyReader(scope, receive, self._body_limits, request.operation.binds)
            return await body.read()

        verdict = await self._enforcer.decide(replace(request, read_body=read_body), missed)
        if isinstance(verdict, Refusal):
            await send_reply(self._replies.build_for_refusal(verdict), send, scope)
            return
        if verdict.credential.nonce:
            send = with_nonce(send, verdict)
        # a body that the guard did not read is the app's
        receive = receive if body is None else body.replay()
        await self._apply_verdict(request, verdict, scope, receive, send)

    def _apply_verdict(
        self, request: AccessRequest, verdict: Verdict, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        """Return an awaitable that applies a verdict, which is recorded and saved already."""
        kind = verdict.decision.fallback.kind
        if kind is not ALLOWED and kind not in ADMITTING and not is_served(verdict):
            root, path = scope.get("root_path", ""), self._resolver.path(scope)
            return send_reply(self._replies.build_for_verdict(verdict, request, root, path), send, scope)
        name = request.operation.name
        if name == METADATA:
            return send_reply(self._metadata.reply(self._resolver.path(scope)), send, scope)
        if name in ENDPOINTS:
            return self._serve_endpoint(request, verdict, scope, receive, send)
        self._fill_scope(scope, request, verdict)
        if kind is not ALLOWED:
            send = with_outcome_header(send)
        if verdict.decision.running:
            app = wrap_app(scope["user"], self._app)
            return run_transaction(app, partial(self._settle, verdict), scope, receive, send)
        app = self._app if type(scope["user"]) is User else wrap_app(scope["user"], self._app)
        if self._flagging and name in self._flagging and verdict.principal is not None:
            return run_flagged(app, partial(self._commit_flags, verdict), scope, receive, send)
        return app(scope, receive, send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_inspected:
            self._inspect_app()
        path = self._resolver.path(scope)
        operation = self._resolver.find_exact_socket(scope) or self._resolver.find_socket(path, scope)
        if isinstance(operation, Reason):
            if operation.status == NOT_FOUND:
                self._unnamed_routes.warn("", path)
            await deny(await self._build_refusal(operation, scope), scope, receive, send)
            return
        evidence = self._evidence.read(scope)
        if self._has_further_readers:
            evidence = self._read_further(evidence, scope, operation)
        if isinstance(evidence, Reason):
            await deny(await self._build_refusal(evidence, scope), scope, receive, send)
            return

        async def handshake() -> Body:
            return Body(b"", request_target(scope), bound=bound_headers(scope, operation.binds))

        channel = self._channel(path) if self._channel else ""
        request = AccessRequest(
            operation=operation, evidence=evidence, method=WEBSOCKET, channel=channel, read_body=handshake
        )
        found = self._decide_cached(request)
        verdict = found if isinstance(found, Verdict) else await self._enforcer.decide(request, found)
        if isinstance(verdict, Refusal):
            await deny(self._replies.build_for_refusal(verdict), scope, receive, send)
        elif not verdict.admits:
            await deny(self._replies.build_for_verdict(verdict, request, path=path), scope, receive, send)
        else:
            await self._serve_websocket(request, verdict, scope, receive, with_nonce(send, verdict))

    async def _serve_websocket(
        self, request: AccessRequest, verdict: Verdict, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Run the app on an open WebSocket, on which the customer may verify their identity in-band."""
        if self._credentials is not None:
            send = self._credentials.with_subprotocol(scope, send)
        root = scope.get("root_path", "")  # a mount of the app changes it
        guard = self._fill_scope(scope, request, verdict)

        async def answer(content: bytes) -> bytes:
            # a public handshake was admitted without validation of its credential, so in-band requests validate it
            proven = replace(request, evidence=replace(request.evidence, shown=verdict.principal is not None))
            reply = await self._answer_verification(proven, root, content)
            # the answer counts even if the app does not see the new states yet
            with suppress(BusyError, StoreError, TimeoutError):
                await guard.refresh()
            return reply.body

        async def app(receive: Receive, send: Send) -> None:
            if verdict.running:
                running = wrap_app(scope["user"], self._app)
                await run_transaction(running, partial(self._settle, verdict), scope, receive, send)
            else:
                await wrap_app(scope["user"], self._app)(scope, receive, send)

        run_in_thread = partial(self._run_in_thread, verdict.keys.account)
        await WebSocketVerification(receive, send, answer, run_in_thread).serve(app)

    async def _answer_verification(self, handshake: AccessRequest, root: str, content: bytes) -> Reply:
        async def read() -> Body:
            return Body(content)

        request = replace(handshake, operation=self._verify, method="POST", read_body=read)
        verdict = await self._enforcer.decide(request)
        if isinstance(verdict, Refusal):
            return self._replies.build_for_refusal(verdict)
        if not is_served(verdict):
            return self._replies.build_for_verdict(verdict, request, root)
        return await self._call_endpoint(EndpointRequest(request, verdict, "", root))

    async def _refuse(self, reason: Reason, scope: Scope, send: Send) -> None:
        await send_reply(await self._build_refusal(reason, scope), send, scope)

    async def _build_refusal(self, reason: Reason, scope: Scope) -> Reply:
        """Record the refusal of a request that matches no operation, and build the reply."""
        evidence = Evidence(trace=read_trace(scope))
        if self._context is not None:
            evidence = self._context.add(evidence, scope)
        request = AccessRequest(operation=UNMATCHED, evidence=evidence, method=scope.get("method", WEBSOCKET))
        refusal = await self._enforcer.refuse_unmatched(request, reason)
        return self._replies.build_for_refusal(refusal, self._resolver.path(scope))

    def _fill_scope(self, scope: Scope, request: AccessRequest, verdict: Verdict) -> Guard:
        """Set guard, user and scopes for the app, and remove the headers reserved for the guard; return the guard.

        The scope is changed in place and not copied, so that a middleware outside of the guard sees what the app's
        router sets in it: route, path parameters, state.
        """
        guard = Guard(self._services, verdict, request.evidence.languages)
        if request.evidence.has_reserved_headers or self._secret:
            scope["headers"] = strip_guard_headers(scope["headers"], self._evidence.known, self._secret)
        if self._credentials is not None:
            self._credentials.hide(scope)
        state = scope.get("state")
        if state is None:
            scope["state"] = {"authguard": guard}
        elif "authguard" in state:
            # a guard outside of this one, or a state that requests share: no request gets the guard of another
            scope["state"] = {**state, "authguard": guard}
        else:
            state["authguard"] = guard
        scope["user"] = build_user(verdict, request.evidence.authorization, exposes_token=self._exposes_token)
        scope["auth"] = AuthCredentials(verdict.decision.scopes)
        return guard

    async def _serve_endpoint(
        self, request: AccessRequest, verdict: Verdict, scope: Scope, receive: Receive, send: Send
    ) -> None:
        body = BodyReader(scope, receive, self._endpoint_limits)

        async def read() -> Body | BodyFailure:
            with self._in_flight.slot(verdict.credential) as is_reserved:  # a slow body takes a slot, too
                return await body.read() if is_reserved else BodyFailure(Reason.ACCOUNT_BUSY)

        request = replace(request, read_body=read)
        call = EndpointRequest(request, verdict, self._resolver.path(scope), scope.get("root_path", ""))
        await send_reply(await self._call_endpoint(call), send, scope)

    async def _call_endpoint(self, call: EndpointRequest) -> Reply:
        """Call an endpoint and build the reply; errors become a refusal."""
        result: Reply | Reason
        try:
            result = await self._endpoints[call.verdict.operation.name](call)
        except BusyError:
            result = Reason.BUSY
        except Exception as error:  # noqa: BLE001 - a fault of the guard is recorded and refused, never a bare 500
            await self._faults.record(Reason.GUARD_FAULT, error, call.access_request, call.verdict.credential)
            result = Reason.GUARD_FAULT
        if isinstance(result, Reason):
            refusal = self._enforcer.refuse(call.access_request, result, call.verdict.credential)
            result = self._replies.build_for_refusal(refusal)
        return result

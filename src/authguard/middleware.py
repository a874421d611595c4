"""`AuthGuard`, the public ASGI middleware, and the structlog processor for the audit log.

Rule: adapters are imported when a guard is built, so that importing the name is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.asgi.control import Control
from authguard.asgi.cors import with_cors
from authguard.asgi.middleware import GuardMiddleware
from authguard.garbage_collection import paused_collection
from authguard.settings import DEFAULT_PREFIX, MEMORY, Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    import httpx2

    from authguard.audit.write.processor import ChainProcessor
    from authguard.ports import Clock

    App = Callable[[Any, Any, Any], Awaitable[None]]


class AuthGuard:
    """ASGI middleware that guards an app by a policy: ``app = AuthGuard(app, policy="support-desk.yaml")``.

    It is also Starlette middleware: ``app.add_middleware(AuthGuard, policy=...)``.
    """

    def __init__(
        self,
        app: App,
        policy: str | Path | None = None,
        *,
        store: str | Path | None = None,
        audit_log: str | Path | None = None,
        pseudonym_key: bytes | None = None,
        signing_key: str | Path | None = None,
        prefix: str = DEFAULT_PREFIX,
        allowed_modules: tuple[str, ...] = (),
        token_cache_size: int | None = None,
        public_url: str = "",
        anchors: Sequence[str | Path | Callable[[str], object]] | None = None,
        expose_token: bool = False,
        control: Control | None = None,
        clock: Clock | None = None,
        client: httpx2.AsyncClient | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Load and check the policy, and build the guard, without writing anything.

        Files, keys and connections are created and opened when the app starts, or else at the first request.

        Args:
            app: any ASGI app.
            policy: name of a shipped policy, or path of a file; else ``AUTHGUARD_POLICY``.
            store: path of the SQLite file, or ``memory``; else ``AUTHGUARD_STORE``, else ``var/authguard.db``.
            audit_log: path of the audit log; else ``AUTHGUARD_AUDIT_LOG``, else ``var/audit.jsonl``.
            pseudonym_key: at least 32 bytes; else ``AUTHGUARD_PSEUDONYM_KEY`` (hex), else a file next to the store.
            signing_key: the key that signs the log, or the path of its file; else ``AUTHGUARD_SIGNING_KEY``, else a
                file next to the store.
            prefix: path prefix of the guard's own endpoints.
            allowed_modules: modules with the functions that the policy's ``call:`` may name.
            token_cache_size: verified tokens that this process caches, about 6 KB each; else
                ``AUTHGUARD_TOKEN_CACHE_SIZE``, else 65,536. With more live tokens than that, some are verified again;
                nothing else changes.
            public_url: external base URL of the app; else ``AUTHGUARD_PUBLIC_URL``, else the policy's.
            anchors: places outside this machine that keep the log's signed checkpoints, so that an attacker on this
                machine cannot rewrite the log undetected: paths, https addresses (POST), or functions, sync or async,
                that take a signed note; else ``AUTHGUARD_ANCHORS``, separated by blanks. ``AUTHGUARD_ANCHOR_TOKEN`` is
                the bearer token for the addresses.
            expose_token: whether `AccessToken.token` of the MCP SDK holds the caller's credential, for tools that
                exchange it (RFC 8693); otherwise it is empty.
            control: object with which the app reports on the service and settles transactions; else the guard creates
                one, the attribute `control`.
            clock: clock for tests, instead of the system clock.
            client: HTTP client for keys, instead of the guard's own.
            environ: variables to read instead of those of the process.

        Raises:
            PolicyError: the policy has problems; the message lists all of them.
            SettingsError: an argument or a variable cannot be used.
        """
        settings = Settings.resolve(
            policy,
            store=store,
            audit_log=audit_log,
            pseudonym_key=pseudonym_key,
            signing_key=signing_key,
            prefix=prefix,
            allowed_modules=allowed_modules,
            token_cache_size=token_cache_size,
            public_url=public_url,
            anchors=anchors,
            expose_token=expose_token,
            environ=environ,
        )
        with paused_collection():
            from authguard.factory import build_enforcer  # noqa: PLC0415 - see the rule at the top

            self.enforcer = build_enforcer(settings, clock=clock, client=client, environ=environ)
        self.app = app
        self.control = control or Control()
        self.control.bind(self.enforcer)
        guarded = GuardMiddleware(app, self.enforcer, prefix=settings.prefix, exposes_token=settings.expose_token)
        self._serve = with_cors(guarded.serve, self.enforcer.policy.cors)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        """Serve one ASGI connection; a coroutine function, because servers detect ASGI 3 by that."""
        await self._serve(scope, receive, send)


def audit_processor(
    log: str | Path | None = None,
    *,
    store: str | Path | None = None,
    signing_key: str | Path | None = None,
    anchors: Sequence[str | Path | Callable[[str], object]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> ChainProcessor:
    """Return a structlog processor that writes the app's log events to a hash chain, signed and anchored.

    Without a path, the lines go to a chain of the guard's own log, so that one query finds both. With a path, they go
    to a separate log, with its key and checkpoint memory next to it: verify it with ``--store memory``.

    Args:
        log: path of a separate log for the app; else the guard's, ``AUTHGUARD_AUDIT_LOG``, else ``var/audit.jsonl``.
        store: store with the signing key next to it; else the guard's, ``AUTHGUARD_STORE``, else ``var/authguard.db``.
        signing_key: the signing key, or the path of its file; else ``AUTHGUARD_SIGNING_KEY``, else a file next to the
            store.
        anchors: places that keep the signed checkpoints; else ``AUTHGUARD_ANCHORS``.
        environ: variables to read instead of those of the process.

    Raises:
        SettingsError: an argument or a variable cannot be used.
    """
    settings = Settings.resolve(
        "unread",
        audit_log=log,
        store=store or (MEMORY if log else None),
        signing_key=signing_key,
        anchors=anchors,
        environ=environ,
    )
    from authguard.log_factory import create_log_processor  # noqa: PLC0415 - see the rule at the top

    return create_log_processor(settings)

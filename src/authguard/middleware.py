"""The one line that an engineer adds: an ASGI app, guarded by a policy.

Rule: what a guard is made of loads when one is built, so that importing the name costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from authguard.asgi.control import Control
from authguard.asgi.cors import with_cors
from authguard.asgi.middleware import GuardMiddleware
from authguard.settings import DEFAULT_PREFIX, MEMORY, Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    import httpx2

    from authguard.audit.write.processor import ChainProcessor
    from authguard.ports import Clock

    App = Callable[[Any, Any, Any], Awaitable[None]]


class AuthGuard:
    """Guards an ASGI app by a policy: ``app = AuthGuard(app, policy="support-desk.yaml")``.

    Works as Starlette middleware too: ``app.add_middleware(AuthGuard, policy=...)``.
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
        """Load and prove the policy, and build the guard; nothing is opened before the app starts.

        Args:
            app: any ASGI app.
            policy: a shipped policy's name or a file's path; else ``AUTHGUARD_POLICY``.
            store: path of the SQLite file, or ``memory``; else ``AUTHGUARD_STORE``, else ``var/authguard.db``.
            audit_log: path of the audit log; else ``AUTHGUARD_AUDIT_LOG``, else ``var/audit.jsonl``.
            pseudonym_key: at least 32 bytes; else ``AUTHGUARD_PSEUDONYM_KEY`` (hex), else kept beside the store.
            signing_key: file of the key that signs the log, or the key; else ``AUTHGUARD_SIGNING_KEY``, else kept
                beside the store.
            prefix: path prefix of the guard's own endpoints.
            allowed_modules: the modules whose functions the policy's ``call:`` may name.
            token_cache_size: verified tokens that this process caches, about 6 KB each; else
                ``AUTHGUARD_TOKEN_CACHE_SIZE``, else 65,536. With more live tokens than that, some are verified again;
                nothing else changes.
            public_url: by which callers reach what is served; else ``AUTHGUARD_PUBLIC_URL``, else the policy's.
            anchors: where the log's signed checkpoints are kept elsewhere, so that who has this machine cannot rewrite
                the log unseen: paths, https addresses (POST), functions, sync or async, that take a signed note; else
                ``AUTHGUARD_ANCHORS``, separated by blanks. ``AUTHGUARD_ANCHOR_TOKEN`` is a bearer token for addresses.
            expose_token: whether `AccessToken.token` of the MCP SDK holds the caller's credential, for tools that
                exchange it (RFC 8693); else it is empty.
            control: by which the app reports on the service and settles transactions; else one is made, `control`.
            clock: instead of the machine's, for tests.
            client: the HTTP client for keys, instead of one of its own.
            environ: instead of the process's variables.

        Raises:
            PolicyError: the policy has a problem; every problem is in the message.
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
        from authguard.factory import build_enforcer  # noqa: PLC0415 - adapters load when a guard is built, not with its name

        self.app = app
        self.enforcer = build_enforcer(settings, clock=clock, client=client, environ=environ)
        self.control = control or Control()
        self.control.bind(self.enforcer)
        guarded = GuardMiddleware(app, self.enforcer, prefix=settings.prefix, exposes_token=settings.expose_token)
        self._serve = with_cors(guarded.serve, self.enforcer.policy.cors)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI's own types
        """Serve one ASGI connection; ``async``, since that is how servers tell ASGI 3 from ASGI 2."""
        await self._serve(scope, receive, send)


def audit_processor(
    log: str | Path | None = None,
    *,
    store: str | Path | None = None,
    signing_key: str | Path | None = None,
    anchors: Sequence[str | Path | Callable[[str], object]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> ChainProcessor:
    """Make a structlog processor that keeps the app's own lines in a hash chain, signed and anchored as the guard's.

    Without a path the lines go into a chain of their own in the guard's log, so that one question finds both. With one
    they have a log of their own, with its key and memory beside it: verify it with ``--store memory``.

    Args:
        log: path of a log of the app's own; else the guard's, ``AUTHGUARD_AUDIT_LOG``, else ``var/audit.jsonl``.
        store: beside which the signing key is; else the guard's, ``AUTHGUARD_STORE``, else ``var/authguard.db``.
        signing_key: file of the key that signs, or the key; else ``AUTHGUARD_SIGNING_KEY``, else kept beside the store.
        anchors: where signed checkpoints are kept elsewhere; else ``AUTHGUARD_ANCHORS``.
        environ: instead of the process's variables.

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
    from authguard.factory import create_log_processor  # noqa: PLC0415 - as above

    return create_log_processor(settings)

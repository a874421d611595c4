"""Wraps the guard in Starlette's CORSMiddleware, so that no code of the app runs for a pre-flight request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from starlette.middleware.cors import CORSMiddleware

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.cors import Cors

    App = Callable[[Any, Any, Any], Awaitable[None]]

#: response headers of the guard that a script in a page needs for its next step
EXPOSED_HEADERS: Final = (
    "WWW-Authenticate",
    "DPoP-Nonce",
    "Retry-After",
    "Location",
    "Authguard-Outcome",
    "Idempotency-Replayed",
)


def with_cors(app: App, cors: Cors) -> App:
    """Wrap a guarded app in CORSMiddleware if the policy declares `cors`.

    Args:
        app: the guard itself, so that refusals carry CORS headers too.
        cors: of the policy.

    Returns:
        The wrapped app, or `app` if the policy declares nothing.
    """
    if not cors.declared:
        return app
    return CORSMiddleware(
        app,
        allow_origins=cors.allow_origins,
        allow_origin_regex=cors.allow_origin_regex or None,
        allow_methods=cors.allow_methods,
        allow_headers=cors.allow_headers,
        allow_credentials=cors.allow_credentials,
        expose_headers=tuple(dict.fromkeys((*EXPOSED_HEADERS, *cors.expose_headers))),
        max_age=cors.max_age,
    )

"""Who speaks, as ``scope["user"]``: the user type of Starlette, or that of the MCP SDK where the app has loaded it.

Rule: the MCP SDK is never imported here. Whoever looks for its type has imported it, so it is taken from `sys.modules`.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from authguard.core.identity import encode_identity
from authguard.core.request import Proven

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.request import Credential, Principal
    from authguard.runtime.access import Verdict

    App = Callable[[Any, Any, Any], Awaitable[None]]

#: where the MCP SDK has its user type, what hands the user on to a tool, and its access token
MCP_USER: Final = "mcp.server.auth.middleware.bearer_auth"
MCP_CONTEXT: Final = "mcp.server.auth.middleware.auth_context"
MCP_TOKEN: Final = "mcp.server.auth.provider"  # noqa: S105 - a module


class User(msgspec.Struct, frozen=True, gc=False):
    """The subject, as Starlette's ``request.user`` expects it."""

    _credential: Credential

    def __repr__(self) -> str:
        """Tell no more than the log does."""
        return f"User(is_authenticated={self.is_authenticated})"

    @property
    def identity(self) -> str:
        """Issuer and subject in one text, by `encode_identity`; empty where nobody is signed in."""
        if not isinstance(self._credential, Proven):
            return ""
        principal = self._credential.principal
        return encode_identity(principal.issuer, principal.subject)

    @property
    def is_authenticated(self) -> bool:
        """Whether somebody is signed in."""
        return isinstance(self._credential, Proven)

    @property
    def display_name(self) -> str:
        """The same as `identity`: frameworks key what they keep by it. Greet with a claim instead."""
        return self.identity


def build_user(verdict: Verdict, authorization: bytes, *, exposes_token: bool) -> Any:  # noqa: ANN401 - of either type
    """Return the user of an admitted request.

    Args:
        verdict: of the request.
        authorization: its ``Authorization`` header.
        exposes_token: whether the MCP SDK's `AccessToken.token` holds the credential; else it is empty.
    """
    principal = verdict.principal
    loaded = None if principal is None else getattr(sys.modules.get(MCP_USER), "AuthenticatedUser", None)
    if principal is None or loaded is None:
        return User(verdict.credential)
    token = authorization.partition(b" ")[2].strip().decode("latin-1") if exposes_token else ""
    return _mcp_user(loaded)(principal, verdict.scopes, token)


def wrap_app(user: Any, app: App) -> App:  # noqa: ANN401 - of either type
    """Return the app as a user meets it: for a user of the MCP SDK's type, within the SDK's own context.

    There a tool finds the user by ``get_access_token()``, and the SDK binds what it hands out to the user.
    """
    if isinstance(user, User):
        return app
    context = getattr(sys.modules.get(MCP_CONTEXT), "AuthContextMiddleware", None)
    return app if context is None else cast("App", context(app))


@lru_cache(maxsize=1)
def _mcp_user(base: Any) -> Callable[[Principal, tuple[str, ...], str], Any]:  # noqa: ANN401 - a class of the SDK
    """Build the subclass of the SDK's `AuthenticatedUser` that tells users of one client apart."""

    class McpUser(base):  # type: ignore[misc]  # a class that is known when it is loaded
        """The subject, as the MCP SDK and Starlette expect it; its access token is made when it is asked for."""

        def __init__(self, principal: Principal, scopes: tuple[str, ...], token: str) -> None:
            self._principal = principal
            self._scopes = scopes
            self._token = token

        def __repr__(self) -> str:
            return "McpUser(is_authenticated=True)"

        @property
        def identity(self) -> str:
            """As `User.identity`; the SDK's own is the client, which is the same for all of its users."""
            return encode_identity(self._principal.issuer, self._principal.subject)

        @property
        def display_name(self) -> str:
            """As `User.display_name`."""
            return self.identity

        @property
        def scopes(self) -> list[str]:
            """What is left of the token's scopes."""
            return list(self._scopes)

        @cached_property
        def access_token(self) -> Any:  # noqa: ANN401 - the SDK's `AccessToken`
            """Issuer, subject and client, by which the SDK compares who speaks with who began a session."""
            principal = self._principal
            return sys.modules[MCP_TOKEN].AccessToken(
                token=self._token,
                client_id=_client_id(principal),
                scopes=list(self._scopes),
                expires_at=int(principal.expires_at),
                subject=principal.subject,
                claims={**deepcopy(dict(principal.claims)), "iss": principal.issuer},
            )

    return McpUser


def _client_id(principal: Principal) -> str:
    """Return who holds the token: the client; where somebody acts for the subject, that actor instead.

    The SDK compares client, issuer and subject, so an agent does not resume a session that its customer began.
    """
    if not principal.actor:
        return principal.client
    return encode_identity(principal.actor_issuer or principal.issuer, principal.actor)

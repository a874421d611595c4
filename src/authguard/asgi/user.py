"""The user of a request, as ``scope["user"]``: Starlette's user type, or that of the MCP SDK if the app has loaded it.

Rule: this module never imports the MCP SDK. Code that needs its type has imported it, so `sys.modules` contains it.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from authguard.core.identity import encode_identity
from authguard.core.request import NotProven, Proven

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from authguard.core.request import Credential, Principal
    from authguard.evaluation.decision import Verdict

    App = Callable[[Any, Any, Any], Awaitable[None]]

#: modules of the MCP SDK with its user type, its context middleware, and its access token
MCP_USER: Final = "mcp.server.auth.middleware.bearer_auth"
MCP_CONTEXT: Final = "mcp.server.auth.middleware.auth_context"
MCP_TOKEN: Final = "mcp.server.auth.provider"  # noqa: S105 - a module


class User(msgspec.Struct, frozen=True, gc=False):
    """The subject, in the form of Starlette's ``request.user``."""

    _credential: Credential

    def __repr__(self) -> str:
        """Contain only data that the log has too."""
        return f"User(is_authenticated={self.is_authenticated})"

    @property
    def identity(self) -> str:
        """Issuer and subject in one text, from `encode_identity`; empty without a proven credential."""
        if not isinstance(self._credential, Proven):
            return ""
        principal = self._credential.principal
        return encode_identity(principal.issuer, principal.subject)

    @property
    def is_authenticated(self) -> bool:
        """Whether a credential is proven."""
        return isinstance(self._credential, Proven)

    @property
    def display_name(self) -> str:
        """Equal to `identity`, since frameworks use it as a key. Use a claim to greet the user."""
        return self.identity


def build_user(verdict: Verdict, authorization: bytes, *, exposes_token: bool) -> Any:  # noqa: ANN401 - of either type
    """Return the user of an admitted request.

    Args:
        verdict: of the request.
        authorization: its ``Authorization`` header.
        exposes_token: whether `AccessToken.token` of the MCP SDK contains the credential; otherwise it is empty.
    """
    credential = verdict.credential
    if MCP_USER not in sys.modules or isinstance(credential, NotProven):
        return User(credential)
    loaded = getattr(sys.modules[MCP_USER], "AuthenticatedUser", None)
    if loaded is None:  # the module is being imported
        return User(credential)
    token = authorization.partition(b" ")[2].strip().decode("latin-1") if exposes_token else ""
    return _mcp_user(loaded)(credential.principal, verdict.scopes, token)


def wrap_app(user: Any, app: App) -> App:  # noqa: ANN401 - of either type
    """Return the app for a user; for a user of the MCP SDK wrapped in the SDK's context middleware.

    There ``get_access_token()`` returns the user's token in a tool, and the SDK binds its sessions to the user.
    """
    if isinstance(user, User):
        return app
    context = getattr(sys.modules.get(MCP_CONTEXT), "AuthContextMiddleware", None)
    return app if context is None else cast("App", context(app))


@lru_cache(maxsize=1)
def _mcp_user(base: Any) -> Callable[[Principal, tuple[str, ...], str], Any]:  # noqa: ANN401 - a class of the SDK
    """Build a subclass of the SDK's `AuthenticatedUser` that distinguishes the users of one client."""

    class McpUser(base):  # type: ignore[misc]  # the base class is only known at run time
        """The subject, in the form of the MCP SDK and Starlette; its access token is built on first access."""

        def __init__(self, principal: Principal, scopes: tuple[str, ...], token: str) -> None:
            self._principal = principal
            self._scopes = scopes
            self._token = token

        def __repr__(self) -> str:
            return "McpUser(is_authenticated=True)"

        @property
        def identity(self) -> str:
            """See `User.identity`; that of the SDK is the client, which all its users share."""
            return encode_identity(self._principal.issuer, self._principal.subject)

        @property
        def display_name(self) -> str:
            """See `User.display_name`."""
            return self.identity

        @property
        def scopes(self) -> list[str]:
            """The granted scopes of the token."""
            return list(self._scopes)

        @cached_property
        def access_token(self) -> Any:  # noqa: ANN401 - the SDK's `AccessToken`
            """Issuer, subject and client, which the SDK compares with those of the user who began a session."""
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
    """Return the client, or the actor if one acts for the subject."""
    # The SDK compares client, issuer and subject, so an agent cannot resume a session that its customer began.
    if not principal.actor:
        return principal.client
    return encode_identity(principal.actor_issuer or principal.issuer, principal.actor)

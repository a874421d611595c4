"""Peers with separate packages for Starlette: FastMCP, Authlib, pycasbin.

Each is configured as in its documentation, with a static key (no key server), around the same route.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import casbin
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from fastmcp.server.auth.providers.jwt import JWTVerifier
from joserfc.jwk import KeySet
from mcp.server.auth.middleware.bearer_auth import RequireAuthMiddleware
from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError, BaseUser, SimpleUser
from starlette.routing import Route, request_response

from benchmarks.peers import PyJwtBackend, authenticated, bearer
from benchmarks.world import AUDIENCE, ISSUER, PATH, answer

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

RULES: Final = """\
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.sub == p.sub && r.obj == p.obj && r.act == p.act
"""


def fastmcp_chain(public_pem: str) -> Starlette:
    """Wrap the bare endpoint as FastMCP wraps its endpoint: middleware, then `RequireAuthMiddleware`."""
    verifier = JWTVerifier(
        public_key=public_pem, issuer=ISSUER, audience=AUDIENCE, algorithm="ES256", required_scopes=["chat"]
    )
    endpoint = RequireAuthMiddleware(request_response(answer), verifier.required_scopes)
    return Starlette(routes=[Route(PATH, endpoint)], middleware=verifier.get_middleware())


class _Rfc9068(JWTBearerTokenValidator):
    """Authlib's validator of access tokens, with static keys."""

    def __init__(self, keys: dict[str, Any]) -> None:
        super().__init__(ISSUER, AUDIENCE)
        self._keys = KeySet.import_key_set(keys)

    def get_jwks(self) -> KeySet:
        """Return the key set."""
        return self._keys


class _AuthlibBackend(AuthenticationBackend):
    """Authlib has no Starlette integration for a resource server: its validator in Starlette's middleware."""

    def __init__(self, keys: dict[str, Any]) -> None:
        self._validator = _Rfc9068(keys)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Check a request's token."""
        try:
            claims = self._validator.authenticate_token(bearer(conn))
            self._validator.validate_token(claims, ["chat"], None)
        except InvalidTokenError as error:
            raise AuthenticationError("bad token") from error
        return AuthCredentials(claims["scope"].split()), SimpleUser(claims["sub"])


def authlib_validator(keys: dict[str, Any]) -> Starlette:
    """Guard the bare app by Authlib."""
    return authenticated(_AuthlibBackend(keys))


class _CasbinBackend(PyJwtBackend):
    """PyJWT authenticates; pycasbin authorizes."""

    def __init__(self, key: Any) -> None:  # noqa: ANN401 - PyJWT takes any key
        super().__init__(key)
        model = casbin.Enforcer.new_model(text=RULES)
        self._enforcer = casbin.Enforcer(model)
        self._enforcer.add_policy("chat", PATH, "GET")

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Check a request's token, and its scopes against the rules."""
        credentials, user = await super().authenticate(conn)
        if not any(self._enforcer.enforce(scope, PATH, "GET") for scope in credentials.scopes):
            raise AuthenticationError("not allowed")
        return credentials, user


def casbin_enforced(key: Any) -> Starlette:  # noqa: ANN401 - PyJWT takes any key
    """Guard the bare app by PyJWT and pycasbin."""
    return authenticated(_CasbinBackend(key))

"""Peers for a Starlette app: `AuthenticationMiddleware` with PyJWT, with and without a cache."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import jwt
from starlette.applications import Starlette
from starlette.authentication import (
    AuthCredentials,
    AuthenticationBackend,
    AuthenticationError,
    BaseUser,
    SimpleUser,
)
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.routing import Route

from benchmarks.world import AUDIENCE, ISSUER, PATH, answer

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

#: claims that a careful user requires (RFC 9068 2.2)
REQUIRED: Final = ["exp", "iat", "iss", "aud", "sub", "client_id", "jti"]


def decode(token: str, key: Any) -> dict[str, Any]:  # noqa: ANN401 - PyJWT takes any key
    """Check a token as carefully as PyJWT's documentation asks.

    Raises:
        jwt.PyJWTError: it is not good.
    """
    return jwt.decode(token, key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER, options={"require": REQUIRED})


def bearer(connection: HTTPConnection) -> str:
    """Read the token from the header.

    Raises:
        AuthenticationError: there is no token.
    """
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthenticationError("no bearer token")
    return token


class PyJwtBackend(AuthenticationBackend):
    """Checks the signature on every request."""

    def __init__(self, key: Any) -> None:  # noqa: ANN401 - PyJWT takes any key
        self._key = key

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Check a request's token."""
        try:
            claims = decode(bearer(conn), self._key)
        except jwt.PyJWTError as error:
            raise AuthenticationError("bad token") from error
        return AuthCredentials(claims["scope"].split()), SimpleUser(claims["sub"])


class CachedBackend(AuthenticationBackend):
    """Checks a signature once, and remembers the answer until the token expires."""

    def __init__(self, key: Any) -> None:  # noqa: ANN401 - PyJWT takes any key
        self._key = key
        self._known: dict[str, tuple[float, AuthCredentials, BaseUser]] = {}

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """Check a request's token."""
        token = bearer(conn)
        known = self._known.get(token)
        if known is None:
            try:
                claims = decode(token, self._key)
            except jwt.PyJWTError as error:
                raise AuthenticationError("bad token") from error
            known = (claims["exp"], AuthCredentials(claims["scope"].split()), SimpleUser(claims["sub"]))
            self._known[token] = known
        until, credentials, user = known
        if time.time() >= until:
            del self._known[token]
            raise AuthenticationError("expired token")
        return credentials, user


def authenticated(backend: AuthenticationBackend) -> Starlette:
    """Wrap the bare app in Starlette's middleware with a backend."""
    return Starlette(routes=[Route(PATH, answer)], middleware=[Middleware(AuthenticationMiddleware, backend=backend)])

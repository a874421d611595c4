"""The peer fastapi-users, with its `JWTStrategy` and a user manager that asks no database.

Rule: no postponed annotations here, because FastAPI reads them where a function is defined.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.responses import PlainTextResponse
from fastapi_users import BaseUserManager, FastAPIUsers
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import BaseUserDatabase

from benchmarks.world import AUDIENCE, PATH


@dataclass
class _User:
    id: str
    is_active: bool = True
    is_verified: bool = True
    is_superuser: bool = False


class _Users(BaseUserManager[Any, str]):
    """Knows everybody: no database is timed."""

    def parse_id(self, value: Any) -> str:  # noqa: ANN401 - fastapi-users says so
        """Return an id unchanged."""
        return str(value)

    async def get(self, id: str) -> _User:  # noqa: A002 - fastapi-users says so
        """Find a user."""
        return _User(id)


def fastapi_users(public_pem: str) -> FastAPI:
    """Guard it by fastapi-users with its `JWTStrategy`."""
    app = FastAPI()

    async def manager() -> _Users:
        return _Users(BaseUserDatabase())

    def strategy() -> JWTStrategy[Any, str]:
        return JWTStrategy("unused", 3600, [AUDIENCE], "ES256", public_pem)

    backend = AuthenticationBackend(name="jwt", transport=BearerTransport("login"), get_strategy=strategy)
    users = FastAPIUsers[Any, str](manager, [backend])

    @app.get(PATH)
    async def chat(_: Annotated[_User, Depends(users.current_user(active=True))]) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return app

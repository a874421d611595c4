"""The usual peer of a FastAPI app: `HTTPBearer` with PyJWT in a dependency.

Rule: no postponed annotations here, because FastAPI reads them where a function is defined.
"""

from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from benchmarks.peers import decode
from benchmarks.world import PATH


def fastapi_bare() -> FastAPI:
    """Build the bare app of the FastAPI peers."""
    app = FastAPI()

    @app.get(PATH)
    async def chat() -> PlainTextResponse:
        return PlainTextResponse("ok")

    return app


def fastapi_bearer(key: Any) -> FastAPI:  # noqa: ANN401 - PyJWT takes any key
    """Guard it by `HTTPBearer` and PyJWT in a dependency."""
    app = FastAPI()
    scheme = HTTPBearer()

    async def claims(sent: Annotated[HTTPAuthorizationCredentials, Depends(scheme)]) -> dict[str, Any]:
        try:
            return decode(sent.credentials, key)
        except jwt.PyJWTError as error:
            raise HTTPException(401) from error

    @app.get(PATH)
    async def chat(_: Annotated[dict[str, Any], Depends(claims)]) -> PlainTextResponse:
        return PlainTextResponse("ok")

    return app

"""An issuer whose metadata and keys an attack controls, over a scripted HTTP transport."""

from __future__ import annotations

import json
from typing import Any

import httpx2

ISSUER = "https://issuer.test"
METADATA = "/.well-known/openid-configuration"


class Issuer:
    """Answers the guard's fetches.

    Attributes:
        answers: path -> a document, bytes, a status, a response or an exception.
        asked: the addresses that were asked for.
    """

    def __init__(self, jwks: object, **answers: Any) -> None:
        self.answers: dict[str, Any] = {METADATA: {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}, "/jwks": jwks}
        self.answers |= answers
        self.asked: list[str] = []

    def client(self) -> httpx2.AsyncClient:
        """Give the client that the guard is to use."""
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answer), follow_redirects=True)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        found = self.answers.get(request.url.path, 404) if request.url.host == "issuer.test" else 404
        if isinstance(found, Exception):
            raise found
        if isinstance(found, httpx2.Response):
            return found
        if isinstance(found, int):
            return httpx2.Response(found)
        return httpx2.Response(200, content=found if isinstance(found, bytes) else json.dumps(found))

"""A customer's client: it signs in at the identity provider and calls the desk by HTTP and WebSocket."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2

    from authguard.testing import IdentityProvider, SignIn

AUDIENCE: Final = "support-agent"
SCOPES: Final = "chat orders:read refunds:write"
#: timeout of a client in seconds
PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A response.

    Attributes:
        status: HTTP status.
        headers: lower-case name -> value.
        body: decoded JSON, or the text.
        trace: the trace id of the request, which the log records.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    trace: str

    @property
    def challenge(self) -> str:
        """Return ``WWW-Authenticate``; empty if absent."""
        return self.headers.get("www-authenticate", "")

    def says(self, *path: str) -> Any:  # noqa: ANN401 - any JSON value
        """Return a member of the body; empty if absent."""
        found = self.body
        for name in path:
            found = found.get(name, "") if isinstance(found, dict) else ""
        return found


@dataclass(slots=True)
class Customer:
    """A client with at most one sign-in.

    Attributes:
        name: the ``sub`` at the provider.
        provider: the identity provider.
        http: the HTTP client, with the desk's address.
        sign_in: the current sign-in; ``None`` before the first.
        token: a token to send instead of the sign-in's, for forgeries.
        tokens: every token that was sent, to search the log for.
    """

    name: str
    provider: IdentityProvider
    http: httpx2.Client
    sign_in: SignIn | None = None
    token: str = ""
    tokens: list[str] = field(default_factory=list)

    def signs_in(self, acr: str = "aal2", *, again: bool = False, scope: str = SCOPES, **more: Any) -> Customer:  # noqa: ANN401 - passed on to the provider
        """Sign in with a password (``aal1``) or with a second factor (``aal2``).

        Args:
            acr: the assurance level.
            again: whether to continue the provider's session, as after a challenge.
            scope: scopes of the token.
            more: see `IdentityProvider.sign_in`.
        """
        if again and self.sign_in is not None:
            more["sid"] = self.sign_in.sid
        more.setdefault("account_status", "ok")
        self.sign_in = self.provider.sign_in(self.name, audience=AUDIENCE, scope=scope, acr=acr, **more)
        return self

    def refreshes(self) -> Customer:
        """Exchange the refresh token for a new access token of the same sign-in."""
        if self.sign_in is not None:
            self.sign_in = self.provider.refresh(self.sign_in)
        return self

    def says(self, message: str) -> Answer:
        """Send a chat message."""
        return self.asks("POST", "/chat", {"message": message})

    def orders(self, number: str = "1001") -> Answer:
        """Request an order."""
        return self.asks("GET", f"/orders/{number}")

    def refund(self, amount: object, key: str = "") -> Answer:
        """Request a refund in euros."""
        headers = {"idempotency-key": key} if key else {}
        return self.asks("POST", "/orders/1001/refund", {"amount": amount, "currency": "EUR"}, headers)

    def asks(self, method: str, path: str, body: object = None, more: Mapping[str, str] | None = None) -> Answer:
        """Send one request with the current credential."""
        trace, headers = self.headers()
        headers |= more or {}
        return self.received(self.http.request(method, path, json=body, headers=headers), trace)

    @staticmethod
    def received(answer: httpx2.Response, trace: str) -> Answer:
        """Build the answer from a response to a request with a trace id."""
        document = answer.json() if "json" in answer.headers.get("content-type", "") else answer.text
        return Answer(answer.status_code, answer.headers, document, trace)

    def streams(self, message: str) -> Answer:
        """Send a chat message and read the server-sent events one by one."""
        trace, headers = self.headers()
        with self.http.stream("POST", "/chat/stream", json={"message": message}, headers=headers) as answer:
            events = [line.removeprefix("event: ") for line in answer.iter_lines() if line.startswith("event: ")]
        return Answer(answer.status_code, answer.headers, {"events": events}, trace)

    def talks(self, *messages: str) -> Answer:
        """Talk over one WebSocket and close it; the body has the answers, or the reason of a refused handshake."""
        trace, headers = self.headers()
        address = f"ws://{self.http.base_url.host}:{self.http.base_url.port}/live"
        try:
            with connect(
                address, additional_headers=headers, proxy=None, open_timeout=PATIENCE, close_timeout=PATIENCE
            ) as socket:
                replies = []
                for message in messages:
                    socket.send(json.dumps({"message": message}))
                    replies.append(json.loads(socket.recv(timeout=PATIENCE)))
                return Answer(socket.response.status_code if socket.response else 0, {}, {"said": replies}, trace)
        except InvalidStatus as refused:
            response = refused.response
            return Answer(response.status_code, dict(response.headers), json.loads(response.body or b"{}"), trace)

    def headers(self) -> tuple[str, dict[str, str]]:
        """Return the trace id (W3C Trace Context) and the headers with it and the credential."""
        trace = secrets.token_hex(16)
        headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        token = self.token or (self.sign_in.access_token if self.sign_in else "")
        if token:
            self.tokens.append(token)
            headers["authorization"] = f"Bearer {token}"
        return trace, headers

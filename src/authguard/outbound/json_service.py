"""JSON over HTTP POST to one service, within firm limits.

Rules: TLS or a loopback address is required; redirects and the proxies of the environment are not followed; at most
64 KiB of a response are read, nested at most 32 levels deep; a response that parsers may read differently is rejected.
Each request uses a new connection, so a late second response to one request cannot be read as the response to the
next one, which is about another person. The guard's credentials for a service come from the environment or from files
next to the policy, never from the policy itself. Verifiers and account directories share this module.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from authguard.core.urls import is_secure
from authguard.errors import SettingsError
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import create_async_client

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2


#: bytes of a response, and its nesting depth
MAX_RESPONSE_BYTES: Final = 65_536
MAX_RESPONSE_DEPTH: Final = 32
#: statuses after which a retry may help (RFC 9110 15.6, RFC 6585 4)
_RETRYABLE_STATUSES: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAuth:
    """How the guard authenticates to a service, and which certificate authority it trusts there.

    Attributes:
        bearer_env: name of the variable that holds the bearer token; empty for none.
        certificate: path of the client certificate; empty for none.
        key: path of its private key.
        authority: path of the certificate authority for the service; empty for the default ones.
    """

    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""


class JsonService:
    """Client of one address that takes a JSON document and returns one."""

    def __init__(
        self,
        address: str,
        *,
        who: str,
        max_concurrency: int,
        auth: ServiceAuth,
        environ: Mapping[str, str],
        client: httpx2.AsyncClient | None = None,
    ) -> None:
        """Build the headers and the TLS context of every request.

        Args:
            address: URL of the service.
            who: name of the service in error messages: ``the verifier `otp```.
            max_concurrency: maximum number of connections.
            auth: how the guard authenticates.
            environ: variables that hold the bearer token.
            client: HTTP client to use; its owner closes it. Without it, the service creates one.

        Raises:
            SettingsError: the address is on another machine and uses no TLS, the variable with the token is not set, or
                a certificate cannot be read.
        """
        if not is_secure(address):
            raise SettingsError(f"{who} is on another machine and its URL does not use TLS: use https")
        self._address = address
        self._injected_client = client
        self._client = client
        self._max_concurrency = max_concurrency
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
        if auth.bearer_env:
            token = environ.get(auth.bearer_env, "")
            if not token:
                raise SettingsError(f"set `{auth.bearer_env}`: it holds the token for {who}")
            self._headers["Authorization"] = f"Bearer {token}"
        self._tls: ssl.SSLContext | bool = True
        if auth.certificate or auth.authority:
            try:
                self._tls = ssl.create_default_context(cafile=auth.authority or None)
                if auth.certificate:
                    self._tls.load_cert_chain(auth.certificate, auth.key)
            except (OSError, ssl.SSLError) as error:
                message = f"a certificate for {who} cannot be read: {type(error).__name__}"
                raise SettingsError(message) from error

    async def open(self) -> None:
        """Create the HTTP client; it ignores the proxies of the environment, because requests are about customers."""
        if self._client is None:
            import httpx2  # noqa: PLC0415 - slow, and only a guard that asks a service needs it

            limits = httpx2.Limits(max_connections=self._max_concurrency)
            # reading the trusted certificates is slow, and a loopback address needs none
            verify = self._tls if self._address.startswith("https:") else False
            self._client = create_async_client(verify=verify, timeout=None, limits=limits)

    async def close(self) -> None:
        """Close the HTTP client, unless it was passed in."""
        if self._client is not None and self._client is not self._injected_client:
            await self._client.aclose()
            self._client = None

    async def ask(self, document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Send one request and return the parsed response; the caller sets the deadline.

        Raises:
            ServiceError: there is no usable response.
        """
        import httpx2  # noqa: PLC0415 - the client has loaded it

        if self._client is None:
            raise ServiceError("error")
        try:
            async with self._client.stream(
                "POST", self._address, json=document, headers=self._headers, follow_redirects=False
            ) as response:
                if response.status_code != HTTPStatus.OK:
                    raise ServiceError("refused", retryable=response.status_code in _RETRYABLE_STATUSES)
                if response.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    raise ServiceError("nonsense")
                if "content-encoding" in response.headers:
                    raise ServiceError("nonsense")
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_RESPONSE_BYTES:
                        raise ServiceError("too-large")
        except httpx2.HTTPError as error:
            raise ServiceError("error", retryable=True) from error
        return _parse(bytes(body))


def _parse(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        document = json.loads(body, object_pairs_hook=_reject_duplicates, parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise ServiceError("nonsense") from error
    if _depth(document) > MAX_RESPONSE_DEPTH:
        raise ServiceError("nonsense")
    return document


def _reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _reject_constant(_: str) -> float:
    raise ValueError("not a JSON number")


def _depth(document: object) -> int:
    level, deep = [document], 0
    while level:
        deep += 1
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
    return deep

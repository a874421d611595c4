"""JSON over HTTP POST to one service, within firm limits.

Rules: TLS or a loopback address is required; redirects and the proxies of the environment are not followed; at most
64 KiB of a response are read, nested at most 32 levels deep; a response that parsers may read differently is rejected.
Each request uses its own connection, so a late second response to one request cannot be read as the response to the
next one, which is about another person. The guard's credentials for a service come from the environment or from files
beside the policy, never from the policy itself. Verifiers and account directories share this module.
"""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx2

from authguard.core.urls import is_secure
from authguard.errors import SettingsError
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import create_async_client

if TYPE_CHECKING:
    from collections.abc import Mapping


#: bytes of an answer, and how deep it may nest
ANSWER_BOUND: Final = 65_536
DEPTH_BOUND: Final = 32
#: statuses after which asking again may help (RFC 9110 15.6, RFC 6585 4)
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAuth:
    """How the guard shows itself to a service, and what it holds the service to.

    Attributes:
        bearer_env: name of the variable that holds our token; empty for none.
        certificate: file of our certificate; empty for none.
        key: file of its key.
        authority: file of the certificate authority that the service is held to; empty for the usual ones.
    """

    bearer_env: str = ""
    certificate: str = ""
    key: str = ""
    authority: str = ""


class JsonService:
    """Asks one address with a JSON document, and reads a JSON document."""

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
        """Prepare what every question carries.

        Args:
            address: of the service.
            who: it is, for what is wrong with its settings: ``the verifier `otp```.
            max_concurrency: connections at the most.
            auth: how the guard shows itself.
            environ: where the bearer token is.
            client: to use instead of one of its own; its owner closes it.

        Raises:
            SettingsError: it would be asked without TLS on another machine, the variable with the token is not set, or
                a certificate cannot be read.
        """
        if not is_secure(address):
            raise SettingsError(f"{who} would be asked without TLS: use https, or this very machine")
        self._address = address
        self._given = client
        self._client = client
        self._at_once = max_concurrency
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
        if auth.bearer_env:
            token = environ.get(auth.bearer_env, "")
            if not token:
                raise SettingsError(f"set `{auth.bearer_env}`: {who} is shown its token")
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
        """Make a client; no proxy of the environment has a say about what is told of customers."""
        if self._client is None:
            limits = httpx2.Limits(max_connections=self._at_once)
            # reading the trusted certificates takes long, and this very machine is asked without
            verify = self._tls if self._address.startswith("https:") else False
            self._client = create_async_client(verify=verify, timeout=None, limits=limits)

    async def close(self) -> None:
        """Close it, if it is our own."""
        if self._client is not None and self._client is not self._given:
            await self._client.aclose()
            self._client = None

    async def ask(self, document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Ask once; the caller bounds the time.

        Raises:
            ServiceError: with its cause.
        """
        if self._client is None:
            raise ServiceError("error")
        try:
            async with self._client.stream(
                "POST", self._address, json=document, headers=self._headers, follow_redirects=False
            ) as answer:
                if answer.status_code != httpx2.codes.OK:
                    raise ServiceError("refused", retryable=answer.status_code in _AGAIN)
                if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
                    raise ServiceError("nonsense")
                if "content-encoding" in answer.headers:
                    raise ServiceError("nonsense")
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > ANSWER_BOUND:
                        raise ServiceError("too-large")
        except httpx2.HTTPError as error:
            raise ServiceError("error", retryable=True) from error
        return _read(bytes(body))


def _read(body: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        document = json.loads(body, object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ServiceError("nonsense") from error
    if _depth(document) > DEPTH_BOUND:
        raise ServiceError("nonsense")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _refuse(_: str) -> float:
    raise ValueError("no number")


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

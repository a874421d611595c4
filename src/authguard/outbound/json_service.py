"""JSON over HTTP POST to one service, within firm limits.

Rules: TLS or a loopback address is required; at most 64 KiB of a response are read, nested at most 32 levels deep; a
response that parsers may read differently is rejected. The guard's credentials for a service come from the environment
or from files next to the policy, never from the policy itself. Verifiers and account directories share this module.
"""

from __future__ import annotations

import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from authguard.errors import SettingsError
from authguard.formats.strict_json import parse_value
from authguard.formats.urls import is_secure
from authguard.outbound.error import ServiceError
from authguard.outbound.http_client import HttpClient

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx2


#: bytes of a response, its nesting depth, and the number of its objects and arrays
MAX_RESPONSE_BYTES: Final = 65_536
MAX_RESPONSE_DEPTH: Final = 32
MAX_RESPONSE_NODES: Final = 4_096
_JSON: Final = "application/json"


class ServiceAuth(Struct, frozen=True, kw_only=True):
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
        self._headers = {"Accept": _JSON, "Content-Type": _JSON}
        if auth.bearer_env:
            token = environ.get(auth.bearer_env, "")
            if not token:
                raise SettingsError(f"set `{auth.bearer_env}`: it holds the token for {who}")
            self._headers["Authorization"] = f"Bearer {token}"
        # reading the trusted certificates is slow, and a loopback address needs none
        verify: ssl.SSLContext | bool = address.startswith("https:")
        if auth.certificate or auth.authority:
            try:
                own = ssl.create_default_context(cafile=auth.authority or None)
                if auth.certificate:
                    own.load_cert_chain(auth.certificate, auth.key)
            except (OSError, ssl.SSLError) as error:
                message = f"a certificate for {who} cannot be read: {type(error).__name__}"
                raise SettingsError(message) from error
            verify = own if verify else False
        self._client = HttpClient(client, verify=verify, max_connections=max_concurrency)

    async def open(self) -> None:
        """Load what requests need; the service need not be available.

        Raises:
            SettingsError: the trusted certificates cannot be read.
        """
        try:
            await self._client.prepare()
        except ServiceError as error:
            raise SettingsError(error.detail) from None

    async def close(self) -> None:
        """Close the HTTP client, unless it was passed in."""
        await self._client.close()

    async def ask(self, document: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
        """Send one request and return the parsed response; the caller sets the deadline.

        Raises:
            ServiceError: there is no usable response.
        """
        response = await self._client.send(
            "POST",
            self._address,
            headers=self._headers,
            content=msgspec.json.encode(document),
            max_bytes=MAX_RESPONSE_BYTES,
            media_type=_JSON,
        )
        if response.status != HTTPStatus.OK:
            detail = f"responds with status {response.status}"
            raise ServiceError(
                "refused", detail=detail, retryable=response.is_retryable, retry_after=response.retry_after
            )
        if response.media_type != _JSON:
            raise ServiceError("nonsense", detail="not of type application/json")
        try:
            return parse_value(response.body, nodes=MAX_RESPONSE_NODES, depth=MAX_RESPONSE_DEPTH)
        except ValueError as error:
            raise ServiceError("nonsense", detail=str(error)) from None

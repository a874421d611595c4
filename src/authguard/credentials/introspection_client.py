"""HTTP client for token introspection: one request and its closed result (RFC 7662 2).

Rules:
- Requests use TLS, or stay on this machine. Our secret is sent to the configured URL only.
- A response that deviates from the specification is unclear, and never refuses the token (WIRE 1).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, urlencode

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.credentials.issuer_document import is_secure_url
from authguard.errors import SettingsError
from authguard.formats.strict_json import parse_object
from authguard.outbound.error import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import Introspection, Issuer
    from authguard.outbound.http_client import HttpClient, HttpResponse

#: maximum size of a response
MAX_RESPONSE_BYTES: Final = 65_536
#: statuses that a gateway sends if its server is down or overloaded
_OUTAGE_STATUSES: Final = frozenset({429, 502, 503, 504})

UNREACHABLE: Final = NotProven("unproven", Reason.INTROSPECTION_UNREACHABLE)
UNCLEAR: Final = NotProven("unproven", Reason.INTROSPECTION_UNCLEAR)
SIGNED: Final = NotProven("unproven", Reason.INTROSPECTION_SIGNED)


class TokenStatus(Enum):
    """A status other than active; the server gives no reason, so none is assumed."""

    INACTIVE = auto()


IntrospectionResult = dict[str, object] | TokenStatus | NotProven


@dataclass(frozen=True, slots=True)
class IntrospectionEndpoint:
    """The introspection endpoint of an issuer, with our credentials.

    Attributes:
        address: URL of the endpoint.
        authorization: our credentials as a header value (RFC 6749 2.3.1).
    """

    address: str
    authorization: str = field(repr=False)

    @classmethod
    def of(cls, issuer: Issuer, introspection: Introspection, environ: Mapping[str, str]) -> IntrospectionEndpoint:
        """Build the endpoint with the secret in the environment.

        Raises:
            SettingsError: the variable of the secret is not set.
        """
        secret = environ.get(introspection.secret_env, "")
        if not secret:
            raise SettingsError(
                f"set {introspection.secret_env} to the introspection secret of issuer `{issuer.issuer}`"
            )
        # both parts are form-encoded before they are joined, so that a colon in either is not the separator
        pair = f"{quote_plus(introspection.client_id)}:{quote_plus(secret.encode('utf-8', 'surrogateescape'))}"
        return cls(introspection.url, f"Basic {b64encode(pair.encode()).decode()}")


async def introspect(client: HttpClient, endpoint: IntrospectionEndpoint, token: bytes) -> IntrospectionResult:
    """Introspect one token. A response that cannot be used becomes a result, too; the caller sets the deadline.

    Args:
        client: the HTTP client.
        endpoint: URL and credentials.
        token: in the form ``token68``.

    Raises:
        ServiceError: an outage: there is no response, or one that says that the server is down or overloaded.
    """
    if not is_secure_url(endpoint.address):
        return UNCLEAR
    try:
        return _read(await _send(client, endpoint, token))
    except ServiceError as error:
        if error.cause in {"nonsense", "too-large"}:
            return UNCLEAR
        raise
    except Exception:  # noqa: BLE001 - a response that makes a library raise is unclear
        return UNCLEAR


async def find_misconfiguration(client: HttpClient, endpoint: IntrospectionEndpoint) -> str:
    """Introspect a made-up token; return why the endpoint cannot be used, and what to change; empty for no reason.

    Args:
        client: the HTTP client.
        endpoint: URL and credentials.

    Raises:
        ServiceError: an outage, as for `introspect`.
    """
    response = await _send(client, endpoint, token_urlsafe(32).encode())
    status = response.status
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return f"the endpoint responds with status {status}: check `client_id` and the secret of `introspection`"
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED} or response.is_redirect:
        return f"the endpoint responds with status {status}: check `url` of `introspection`; no redirect is followed"
    if status == HTTPStatus.OK and response.media_type != "application/json":
        return "the endpoint does not respond with JSON: check `url` of `introspection`"
    # another status, or a response without `active`, may depend on the token
    return "the endpoint calls a made-up token active" if isinstance(_read(response), dict) else ""


async def _send(client: HttpClient, endpoint: IntrospectionEndpoint, token: bytes) -> HttpResponse:
    return await client.send(
        "POST",
        endpoint.address,
        content=urlencode({"token": token.decode("ascii"), "token_type_hint": "access_token"}).encode(),
        headers={
            "Authorization": endpoint.authorization,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        },
        max_bytes=MAX_RESPONSE_BYTES,
        media_type="application/json",
    )


def _read(response: HttpResponse) -> IntrospectionResult:
    if response.status in _OUTAGE_STATUSES:
        raise ServiceError("refused", retryable=True, retry_after=response.retry_after)
    if response.media_type == "application/token-introspection+jwt":
        return SIGNED  # RFC 9701: the request did not ask for a signed response, and signatures are not supported
    if response.status != HTTPStatus.OK or response.media_type != "application/json":
        return UNCLEAR
    document = parse_object(response.body)
    active = document.pop("active", None)
    if active is True:
        return {name: value for name, value in document.items() if value is not None}  # `null` is absent
    return TokenStatus.INACTIVE if active is False else UNCLEAR

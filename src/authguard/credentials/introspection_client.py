"""Asks an authorization server whether a token is active: one HTTP exchange and its closed result (RFC 7662 2).

Rules: TLS, or this very machine; no redirect is followed; our secret goes to that one address and nowhere else; an
answer that is not exactly what it should be is no answer, and never a refusal of the token (WIRE 1).
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, urlencode

import httpx2

from authguard.core.outcomes import Reason
from authguard.core.request import NotProven
from authguard.core.strict_json import parse_object
from authguard.credentials.jwks_fetcher import is_secure_url
from authguard.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.policy.deployment import Introspection, Issuer

#: bytes of an answer at the most
MAX_RESPONSE_BYTES: Final = 65_536
#: what a gateway answers in the place of a server that is down or overrun
_OUT: Final = frozenset({429, 502, 503, 504})

UNREACHABLE: Final = NotProven("unproven", Reason.INTROSPECTION_UNREACHABLE)
UNCLEAR: Final = NotProven("unproven", Reason.INTROSPECTION_UNCLEAR)
SIGNED: Final = NotProven("unproven", Reason.INTROSPECTION_SIGNED)


class TokenStatus(Enum):
    """What a server says of a token that it does not vouch for: it gives no reason, and none is read into it."""

    INACTIVE = auto()


IntrospectionResult = dict[str, object] | TokenStatus | NotProven


@dataclass(frozen=True, slots=True)
class IntrospectionEndpoint:
    """Where an issuer is asked, and as whom.

    Attributes:
        address: of the endpoint.
        authorization: our credentials, as a header's value (RFC 6749 2.3.1).
    """

    address: str
    authorization: str = field(repr=False)

    @classmethod
    def of(cls, issuer: Issuer, asked: Introspection, environ: Mapping[str, str]) -> IntrospectionEndpoint:
        """Read our secret.

        Raises:
            SettingsError: there is no such variable.
        """
        secret = environ.get(asked.secret_env, "")
        if not secret:
            raise SettingsError(f"set {asked.secret_env} to the secret with which issuer `{issuer.issuer}` is asked")
        # each is encoded as in a form before they are joined, so that a colon in either stays theirs
        pair = f"{quote_plus(asked.client_id)}:{quote_plus(secret.encode('utf-8', 'surrogateescape'))}"
        return cls(asked.url, f"Basic {b64encode(pair.encode()).decode()}")


async def introspect(client: httpx2.AsyncClient, endpoint: IntrospectionEndpoint, token: bytes) -> IntrospectionResult:
    """Ask about one token; whatever goes wrong is an answer too. The caller sets the time that it may take.

    Args:
        client: that sends it.
        endpoint: where and as whom.
        token: of the form ``token68``.
    """
    if not is_secure_url(endpoint.address):
        return UNCLEAR
    try:
        async with client.stream(
            "POST",
            endpoint.address,
            content=urlencode({"token": token.decode("ascii"), "token_type_hint": "access_token"}).encode(),
            headers={
                "Authorization": endpoint.authorization,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # an encoded body could grow beyond the bound in one step
                "Connection": "close",  # a second answer to one question would else be the answer about the next token
            },
            follow_redirects=False,
        ) as answer:
            return await _read(answer)
    except (httpx2.HTTPError, OSError):
        return UNREACHABLE
    except Exception:  # noqa: BLE001 - an answer that makes a library stumble is no answer
        return UNCLEAR


async def _read(answer: httpx2.Response) -> IntrospectionResult:
    if answer.status_code in _OUT:
        return UNREACHABLE
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/token-introspection+jwt":
        return SIGNED  # RFC 9701: nobody asked for it, and this release does not verify it
    if answer.status_code != httpx2.codes.OK or kind != "application/json" or "content-encoding" in answer.headers:
        return UNCLEAR
    body = bytearray()
    async for chunk in answer.aiter_bytes():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            return UNCLEAR
    said = parse_object(bytes(body))
    active = said.pop("active", None)
    if active is True:
        return said
    return TokenStatus.INACTIVE if active is False else UNCLEAR

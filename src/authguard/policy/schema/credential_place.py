"""Models of `credentials`: the places of a request from which the credential is read."""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.core.cors import MAX_ACCESS_ITEMS
from authguard.core.declaration import Key
from authguard.policy.schema.model import Shorthand, StrictModel
from authguard.policy.schema.types import Header, HttpToken, Origin

#: maximum number of places; each is searched in each request
MAX_PLACES: Final = 8


class CredentialPlace(StrictModel, frozen=True, kw_only=True):
    """One place of a credential: `authorization`, or one of the keys."""

    authorization: Annotated[
        Literal[True] | None,
        Key("The `Authorization` header (RFC 6750 2.1, RFC 9449 7.1); short form: `authorization`."),
    ] = None
    header: Annotated[Header, Key("Header with a bare token, such as `X-Goog-IAP-JWT-Assertion`.")] = ""
    subprotocol: Annotated[HttpToken, Key("WebSocket subprotocol before the token, such as `bearer`.")] = ""
    cookie: Annotated[HttpToken, Key("Cookie with a bare token; writes and WebSockets need an allowed `Origin`.")] = ""
    origins: Annotated[
        tuple[Origin, ...],
        Meta(max_length=MAX_ACCESS_ITEMS),
        Key("Origins of the pages that may use the cookie; that of `settings.public_url` always may."),
    ] = ()


def _by_name(typed: object) -> object:
    return {"authorization": True} if typed == "authorization" else typed


class Credentials(StrictModel, frozen=True, kw_only=True):
    """Places from which the credential is read; a request may use one of them."""

    source: Annotated[
        tuple[
            Annotated[
                CredentialPlace,
                Shorthand(_by_name, Literal["authorization"]),
            ],
            ...,
        ],
        Meta(min_length=1, max_length=MAX_PLACES),
        Key("The places: `authorization`, or `{header}`, `{subprotocol}`, `{cookie}`; a request may use one."),
    ] = field(name="from")

"""Models of `credentials`: the places of a request from which the credential is read."""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.policy.schema.deployment import MAX_ACCESS_ITEMS
from authguard.policy.schema.model import Shorthand, StrictModel
from authguard.policy.schema.types import Header, HttpToken, Origin

#: maximum number of places; each is searched in each request
MAX_PLACES: Final = 8


class CredentialPlace(StrictModel, frozen=True, kw_only=True):
    """One place of a credential: `authorization`, or one of the keys."""

    authorization: Literal[True] | None = None
    header: Header = ""
    subprotocol: HttpToken = ""
    cookie: HttpToken = ""
    origins: Annotated[tuple[Origin, ...], Meta(max_length=MAX_ACCESS_ITEMS)] = ()


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
    ] = field(name="from")

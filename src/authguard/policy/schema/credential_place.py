"""Pydantic models of `credentials`: the places of a request from which the credential is read."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from authguard.policy.schema.deployment import MAX_ACCESS_ITEMS
from authguard.policy.schema.strict_model import StrictModel
from authguard.policy.schema.types import Header, HttpToken, Origin

#: maximum number of places; each is searched in each request
MAX_PLACES: Final = 8


class CredentialPlace(StrictModel):
    """One place of a credential: `authorization`, or one of the keys."""

    authorization: Literal[True] | None = None
    header: Header = ""
    subprotocol: HttpToken = ""
    cookie: HttpToken = ""
    origins: Annotated[tuple[Origin, ...], Field(max_length=MAX_ACCESS_ITEMS)] = ()


def _by_name(typed: object) -> object:
    if isinstance(typed, dict) and isinstance(typed.get("origins"), list):
        return {**typed, "origins": tuple(typed["origins"])}  # a validator turns JSON arrays into lists, not tuples
    return {"authorization": True} if typed == "authorization" else typed


class Credentials(StrictModel):
    """Places from which the credential is read; a request may use one of them."""

    source: Annotated[
        tuple[
            Annotated[
                CredentialPlace,
                BeforeValidator(_by_name, json_schema_input_type=Literal["authorization"] | CredentialPlace),
            ],
            ...,
        ],
        Field(alias="from", min_length=1, max_length=MAX_PLACES),
    ]

"""Pydantic models of issuers: keys, claims, assurance levels, introspection and proof of possession."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from authguard.policy.schema.strict_model import StrictModel
from authguard.policy.schema.types import (
    Address,
    Audience,
    ClaimNames,
    ClaimValues,
    Duration,
    Name,
    Tenant,
    Text,
    Token,
    Tolerance,
    Variable,
)

#: maximum values of one map of levels
MAX_LEVEL_VALUES: Final = 64
#: maximum tenants of one issuer
MAX_TENANTS: Final = 500


class Keys(StrictModel):
    """Source of an issuer's keys."""

    discovery: Literal[True] | Address | None = None
    jwks_uri: Address = ""
    file: Text = ""
    secret_env: Variable = ""
    insecure_http: bool = False


def _by_discovery(typed: object) -> object:
    return {"discovery": True} if typed == "discovery" else typed


class Introspection(StrictModel):
    """Token introspection settings of an issuer (RFC 7662)."""

    url: Address
    client_id: Text
    secret_env: Variable
    cache: Tolerance = 30.0
    on: Literal["opaque", "always"] = "opaque"
    optional: tuple[Literal["aud", "exp", "iss", "sub"], ...] = ()


class SenderConstraint(StrictModel):
    """Proof of possession for an issuer's tokens."""

    type: Literal["none", "dpop"]
    window: Duration = 60.0
    nonce: Literal["", "required"] = ""


def _by_type(typed: object) -> object:
    return {"type": typed} if isinstance(typed, str) else typed


class Claims(StrictModel):
    """Claims in which an issuer states each fact."""

    subject: ClaimNames = ("sub",)
    client: ClaimNames = ("client_id", "azp", "cid", "appid")
    scopes: ClaimNames = ("scope", "scp")
    roles: ClaimNames = ()
    acr: ClaimNames = ("acr",)
    auth_time: ClaimNames = ("auth_time",)
    session: ClaimNames = ("sid",)
    audience: ClaimNames = ("aud",)


class Levels(StrictModel):
    """Assurance levels of an issuer's tokens."""

    claim: ClaimNames = ()
    map: Annotated[dict[str, Token], Field(max_length=MAX_LEVEL_VALUES)] = Field(default_factory=dict)
    none: Token = ""


class Issuer(StrictModel):
    """An issuer whose tokens are accepted."""

    provider: Name = ""
    issuer: Text
    tenants: Annotated[tuple[Tenant, ...], Field(max_length=MAX_TENANTS)] = ()
    audience: Audience
    algorithms: tuple[Token, ...]
    keys: Annotated[Keys, BeforeValidator(_by_discovery, json_schema_input_type=Literal["discovery"] | Keys)]
    leeway: Tolerance = 30.0
    stale_keys: Tolerance = 86_400.0
    token: Literal["access", "id", "assertion"] = "access"  # noqa: S105 - a kind of token
    type: Literal["at+jwt", "any"] = "at+jwt"
    max_lifetime: Duration = 3_600.0
    evidence: Literal["auth_time", "sid", "none", "any"] = "any"
    claims: Claims = Field(default_factory=Claims.model_construct)
    require: ClaimValues = Field(default_factory=dict)
    require_person: ClaimNames = ()
    machine: ClaimValues = Field(default_factory=dict)
    levels: Levels | None = None
    scope_prefix: Token = ""
    introspection: Introspection | None = None
    sender_constraint: Annotated[
        SenderConstraint,
        BeforeValidator(_by_type, json_schema_input_type=Literal["dpop", "none"] | SenderConstraint),
    ] = Field(default_factory=lambda: SenderConstraint.model_construct(type="none"))

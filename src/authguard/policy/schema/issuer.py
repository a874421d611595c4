"""Models of issuers: keys, claims, assurance levels, introspection and proof of possession."""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.policy.schema.model import Shorthand, StrictModel
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


class Keys(StrictModel, frozen=True, kw_only=True):
    """Source of an issuer's keys."""

    discovery: Literal[True] | Address | None = None
    jwks_uri: Address = ""
    file: Text = ""
    secret_env: Variable = ""
    insecure_http: bool = False


def _by_discovery(typed: object) -> object:
    return {"discovery": True} if typed == "discovery" else typed


class Introspection(StrictModel, frozen=True, kw_only=True):
    """Token introspection settings of an issuer (RFC 7662)."""

    url: Address
    client_id: Text
    secret_env: Variable
    cache: Tolerance = 30.0
    on: Literal["opaque", "always"] = "opaque"
    optional: tuple[Literal["aud", "exp", "iss", "sub"], ...] = ()


class SenderConstraint(StrictModel, frozen=True, kw_only=True):
    """Proof of possession for an issuer's tokens."""

    type: Literal["none", "dpop"]
    window: Duration = 60.0
    nonce: Literal["", "required"] = ""


def _by_type(typed: object) -> object:
    return {"type": typed} if isinstance(typed, str) else typed


class Claims(StrictModel, frozen=True, kw_only=True):
    """Claims in which an issuer states each fact."""

    subject: ClaimNames = ("sub",)
    client: ClaimNames = ("client_id", "azp", "cid", "appid")
    scopes: ClaimNames = ("scope", "scp")
    roles: ClaimNames = ()
    acr: ClaimNames = ("acr",)
    auth_time: ClaimNames = ("auth_time",)
    session: ClaimNames = ("sid",)
    audience: ClaimNames = ("aud",)


class Levels(StrictModel, frozen=True, kw_only=True):
    """Assurance levels of an issuer's tokens."""

    claim: ClaimNames = ()
    map: Annotated[dict[str, Token], Meta(max_length=MAX_LEVEL_VALUES)] = field(default_factory=dict)
    none: Token = ""


class Issuer(StrictModel, frozen=True, kw_only=True):
    """An issuer whose tokens are accepted."""

    provider: Name = ""
    issuer: Text
    tenants: Annotated[tuple[Tenant, ...], Meta(max_length=MAX_TENANTS)] = ()
    audience: Audience
    algorithms: tuple[Token, ...]
    keys: Annotated[Keys, Shorthand(_by_discovery, Literal["discovery"])]
    leeway: Tolerance = 30.0
    stale_keys: Tolerance = 86_400.0
    token: Literal["access", "id", "assertion"] = "access"  # noqa: S105 - a kind of token
    type: Literal["at+jwt", "any"] = "at+jwt"
    max_lifetime: Duration = 3_600.0
    evidence: Literal["auth_time", "sid", "none", "any"] = "any"
    claims: Claims = Claims()
    require: ClaimValues = field(default_factory=dict)
    require_person: ClaimNames = ()
    machine: ClaimValues = field(default_factory=dict)
    levels: Levels | None = None
    scope_prefix: Token = ""
    introspection: Introspection | None = None
    sender_constraint: Annotated[
        SenderConstraint,
        Shorthand(_by_type, Literal["dpop", "none"]),
    ] = SenderConstraint(type="none")

"""Models of issuers: keys, claims, assurance levels, introspection and proof of possession."""

from typing import Annotated, Literal

from authguard.core.declaration import Key
from authguard.core.issuer_settings import IntrospectionSettings, IssuerSettings
from authguard.policy.schema.model import Shorthand, StrictModel
from authguard.policy.schema.types import (
    Address,
    Audience,
    Duration,
    Text,
    Variable,
)


class Keys(StrictModel, frozen=True, kw_only=True):
    """Source of an issuer's keys."""

    discovery: Annotated[
        Literal[True] | Address | None,
        Key("Keys by discovery (RFC 8414, OpenID Connect Discovery); or the address of the metadata."),
    ] = None
    jwks_uri: Annotated[Address, Key("Address of the keys.")] = ""
    file: Annotated[Text, Key("File of the keys, a JWK Set in the policy's folder.")] = ""
    secret_env: Annotated[Variable, Key("Environment variable with an HMAC secret; for development only.")] = ""
    insecure_http: Annotated[
        bool, Key("Whether metadata and keys may be fetched without TLS, in a private network.")
    ] = False


def _by_discovery(typed: object) -> object:
    return {"discovery": True} if typed == "discovery" else typed


class Introspection(IntrospectionSettings, frozen=True, kw_only=True):
    """Token introspection settings of an issuer (RFC 7662)."""

    on: Annotated[
        Literal["opaque", "always"],
        Key("`opaque`: only tokens that are not JWTs; `always`: JWTs too, after local validation."),
    ] = "opaque"


class SenderConstraint(StrictModel, frozen=True, kw_only=True):
    """Proof of possession for an issuer's tokens."""

    type: Annotated[Literal["none", "dpop"], Key("`dpop` or `none`.")]
    window: Annotated[Duration, Key("Maximum age of a proof.")] = 60.0
    nonce: Annotated[
        Literal["", "required"], Key("`required` if proofs must contain a nonce issued by the guard (RFC 9449 9).")
    ] = ""


def _by_type(typed: object) -> object:
    return {"type": typed} if isinstance(typed, str) else typed


class Issuer(IssuerSettings, frozen=True, kw_only=True):
    """An issuer whose tokens are accepted."""

    audience: Annotated[
        Audience, Key("Accepted recipients: a text, a list, or `{claim: client_id, values: [...]}`.", "wider")
    ]
    keys: Annotated[
        Keys,
        Shorthand(_by_discovery, Literal["discovery"]),
        Key("Source of its keys: `discovery`, or one of `discovery: URL`, `jwks_uri`, `file`, `secret_env`."),
    ]
    introspection: Annotated[Introspection | None, Key("Token introspection (RFC 7662).", "unordered")] = None
    sender_constraint: Annotated[
        SenderConstraint,
        Shorthand(_by_type, Literal["dpop", "none"]),
        Key("`dpop` if tokens need a proof of possession (RFC 9449); default `none`.", "sender"),
    ] = SenderConstraint(type="none")

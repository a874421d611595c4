"""Models of issuers: keys, claims, assurance levels, introspection and proof of possession."""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.core.declaration import Key
from authguard.policy.schema.model import Shorthand, StrictModel
from authguard.policy.schema.types import (
    Address,
    Audience,
    ClaimNames,
    ClaimValues,
    Duration,
    IssuerName,
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


class Introspection(StrictModel, frozen=True, kw_only=True):
    """Token introspection settings of an issuer (RFC 7662)."""

    url: Annotated[Address, Key("The issuer's introspection endpoint.")]
    client_id: Annotated[Text, Key("Client id of the guard at the endpoint.")]
    secret_env: Annotated[Variable, Key("Environment variable with the client secret.")]
    cache: Annotated[Tolerance, Key("Time for which a response is cached, and a revoked token is still accepted.")] = (
        30.0
    )
    on: Annotated[
        Literal["opaque", "always"],
        Key("`opaque`: only tokens that are not JWTs; `always`: JWTs too, after local validation."),
    ] = "opaque"
    optional: Annotated[
        tuple[Literal["aud", "exp", "iss", "sub"], ...],
        Key("Claims that the issuer's responses may lack: `aud`, `exp`, `iss`, `sub`; default none."),
    ] = ()


class SenderConstraint(StrictModel, frozen=True, kw_only=True):
    """Proof of possession for an issuer's tokens."""

    type: Annotated[Literal["none", "dpop"], Key("`dpop` or `none`.")]
    window: Annotated[Duration, Key("Maximum age of a proof.")] = 60.0
    nonce: Annotated[
        Literal["", "required"], Key("`required` if proofs must contain a nonce issued by the guard (RFC 9449 9).")
    ] = ""


def _by_type(typed: object) -> object:
    return {"type": typed} if isinstance(typed, str) else typed


class Claims(StrictModel, frozen=True, kw_only=True):
    """Claims in which an issuer states each fact."""

    subject: Annotated[ClaimNames, Key("The subject.")] = ("sub",)
    client: Annotated[ClaimNames, Key("The OAuth client; claims that are present must agree.")] = (
        "client_id",
        "azp",
        "cid",
        "appid",
    )
    scopes: Annotated[ClaimNames, Key("Scopes, a list or a text separated by blanks.")] = ("scope", "scp")
    roles: Annotated[ClaimNames, Key("Staff roles; default: the claim of `staff`.")] = ()
    acr: Annotated[ClaimNames, Key("Authentication context class.")] = ("acr",)
    auth_time: Annotated[
        ClaimNames, Key("Time of the sign-in in epoch seconds; `*` in a pointer is any item, and the newest counts.")
    ] = ("auth_time",)
    session: Annotated[ClaimNames, Key("Session id of the issuer.")] = ("sid",)
    audience: Annotated[ClaimNames, Key("Recipients.")] = ("aud",)


class Levels(StrictModel, frozen=True, kw_only=True):
    """Assurance levels of an issuer's tokens."""

    claim: Annotated[ClaimNames, Key("Claim with the value; default: the source of `acr`.")] = ()
    map: Annotated[
        dict[str, Token],
        Meta(max_length=MAX_LEVEL_VALUES),
        Key("Value to level; of several values the strongest level counts."),
    ] = field(default_factory=dict)
    none: Annotated[Token, Key("Level of a token without a known value; default: no level.")] = ""


class Issuer(StrictModel, frozen=True, kw_only=True):
    """An issuer whose tokens are accepted."""

    # its preset is part of the other fields
    provider: Annotated[
        Name, Key("Preset of a provider, such as `okta`: its keys are the defaults of this issuer.", "neutral")
    ] = ""
    # the name by which issuers are compared
    issuer: Annotated[
        IssuerName, Key("The `iss` of its tokens, compared exactly; with `{tenantid}` for `tenants`.", "neutral")
    ]
    tenants: Annotated[
        tuple[Tenant, ...],
        Meta(max_length=MAX_TENANTS),
        Key(
            "Accepted tenants: each has the `iss` with its ID in place of `{tenantid}`. Any other is unknown.", "wider"
        ),
    ] = ()
    audience: Annotated[
        Audience, Key("Accepted recipients: a text, a list, or `{claim: client_id, values: [...]}`.", "wider")
    ]
    algorithms: Annotated[
        tuple[Token, ...], Key("Accepted signature algorithms (RFC 8725 3.1), such as `ES256`.", "wider")
    ]
    keys: Annotated[
        Keys,
        Shorthand(_by_discovery, Literal["discovery"]),
        Key("Source of its keys: `discovery`, or one of `discovery: URL`, `jwks_uri`, `file`, `secret_env`."),
    ]
    leeway: Annotated[Tolerance, Key("Allowed clock skew.", "larger")] = 30.0
    stale_keys: Annotated[
        Tolerance, Key("Time for which cached keys are used while the issuer is unreachable.", "larger")
    ] = 86_400.0
    token: Annotated[
        Literal["access", "id", "assertion"],
        Key("The only accepted kind of token: `access`, `id` or `assertion`.", "unordered"),
    ] = "access"  # noqa: S105 - a kind of token
    type: Annotated[
        Literal["at+jwt", "any"], Key("Required `typ` of access tokens: `at+jwt` (RFC 9068), or `any`.", "token_type")
    ] = "at+jwt"
    max_lifetime: Annotated[Duration, Key("Longest accepted lifetime of a token.", "larger")] = 3_600.0
    evidence: Annotated[
        Literal["auth_time", "sid", "none", "any"],
        Key("What each token states about the sign-in: `auth_time`, `sid`, `none`, or `any` if it varies.", "evidence"),
    ] = "any"
    claims: Annotated[
        Claims, Key("Claims in which the issuer states each fact, as names or JSON Pointers.", "unordered")
    ] = Claims()
    require: Annotated[
        ClaimValues,
        Key(
            "Required claims, `[jti]`, or with their values, `{token_use: access}`; a leading `*` is any text.",
            "fewer_demands",
        ),
    ] = field(default_factory=dict)
    require_person: Annotated[
        ClaimNames,
        Key(
            "Claims of which a person's token must have one; no ID token and no machine's token has any.",
            "wider_or_all",
        ),
    ] = ()
    machine: Annotated[
        ClaimValues,
        Key(
            "Claims with values, as in `require`, of which any one marks a machine's token: `{idtyp: app}`.",
            "unordered",
        ),
    ] = field(default_factory=dict)
    levels: Annotated[
        Levels | None,
        Key(
            "Assurance levels of its tokens, by the value of a claim; without it, `assurance` maps `acr`.", "unordered"
        ),
    ] = None
    scope_prefix: Annotated[
        Token, Key("Prefix of scopes at the issuer, `api://shop/`; operations name scopes without it.", "unordered")
    ] = ""
    introspection: Annotated[Introspection | None, Key("Token introspection (RFC 7662).", "unordered")] = None
    sender_constraint: Annotated[
        SenderConstraint,
        Shorthand(_by_type, Literal["dpop", "none"]),
        Key("`dpop` if tokens need a proof of possession (RFC 9449); default `none`.", "sender"),
    ] = SenderConstraint(type="none")

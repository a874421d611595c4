"""Settings of an issuer that run time reads as they are declared."""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from authguard.core.declaration import (
    ClaimNames,
    ClaimValues,
    IssuerName,
    Key,
    Name,
    Seconds,
    Tenant,
    Text,
    Token,
    Tolerance,
    Url,
    Variable,
)

#: maximum values of one map of levels
MAX_LEVEL_VALUES: Final = 64
#: maximum tenants of one issuer
MAX_TENANTS: Final = 500


class ClaimSources(Struct, frozen=True, kw_only=True):
    """Claims in which an issuer states each fact; the first one present counts."""

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


class Levels(Struct, frozen=True, kw_only=True):
    """Assurance levels of an issuer's tokens."""

    claim: Annotated[ClaimNames, Key("Claim with the value; default: the source of `acr`.")] = ()
    map: Annotated[
        dict[str, Token],
        Meta(max_length=MAX_LEVEL_VALUES),
        Key("Value to level; of several values the strongest level counts."),
    ] = field(default_factory=dict)
    none: Annotated[Token, Key("Level of a token without a known value; default: no level.")] = ""


class IntrospectionSettings(Struct, frozen=True, kw_only=True):
    """Settings of token introspection (RFC 7662) that are compiled as they are."""

    url: Annotated[Url, Key("The issuer's introspection endpoint.")]
    client_id: Annotated[Text, Key("Client id of the guard at the endpoint.")]
    secret_env: Annotated[Variable, Key("Environment variable with the client secret.")]
    cache: Annotated[Tolerance, Key("Time for which a response is cached, and a revoked token is still accepted.")] = (
        30.0
    )
    optional: Annotated[
        tuple[Literal["aud", "exp", "iss", "sub"], ...],
        Key("Claims that the issuer's responses may lack: `aud`, `exp`, `iss`, `sub`; default none."),
    ] = ()


class IssuerSettings(Struct, frozen=True, kw_only=True):
    """Settings of an issuer that are compiled as they are."""

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
    algorithms: Annotated[
        tuple[Token, ...], Key("Accepted signature algorithms (RFC 8725 3.1), such as `ES256`.", "wider")
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
    max_lifetime: Annotated[Seconds, Key("Longest accepted lifetime of a token.", "larger")] = 3_600.0
    evidence: Annotated[
        Literal["auth_time", "sid", "none", "any"],
        Key("What each token states about the sign-in: `auth_time`, `sid`, `none`, or `any` if it varies.", "evidence"),
    ] = "any"
    claims: Annotated[
        ClaimSources, Key("Claims in which the issuer states each fact, as names or JSON Pointers.", "unordered")
    ] = ClaimSources()
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

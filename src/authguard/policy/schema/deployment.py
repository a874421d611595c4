"""Models of deployment settings: account sources, operations, assurance, channels and staff."""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.core.declaration import Key
from authguard.core.operation_settings import OperationSettings
from authguard.core.sections import Risk
from authguard.core.service_settings import AccountSourceSettings
from authguard.policy.schema.model import StrictModel
from authguard.policy.schema.types import (
    BoundHeader,
    ClaimName,
    Currency,
    Duration,
    FormField,
    Header,
    Money,
    Name,
    Period,
    Pointer,
    Role,
    Template,
    Text,
    Texts,
    Token,
    Variable,
)
from authguard.policy.schema.verification import Breaker, ServiceAuth

Effect = Literal["read", "write"]

#: maximum headers of one operation; an approver must be able to read them
MAX_BINDS: Final = 16
#: maximum limits of one operation; each request counts against all of them
MAX_LIMITS: Final = 32
#: maximum digits of minor units; a currency has at most 4 (ISO 4217), a token of a chain often 18
MAX_SCALE: Final = 18


class Agent(StrictModel, frozen=True, kw_only=True):
    """An actor that may act for a subject."""

    issuer: Annotated[Text, Key("Issuer of the client; default: the only issuer.")] = ""
    client: Annotated[Text, Key("Client id: `act.sub` (RFC 8693), otherwise `client_id`, `azp`, `cid` or `appid`.")]
    alone: Annotated[bool, Key("Whether the client may also act as its own subject, without a person.")] = False


def agent_by_client(typed: object) -> object:
    """Convert a bare name to an agent of the only issuer."""
    return typed if isinstance(typed, dict) else {"client": typed}


class AccountSource(AccountSourceSettings, frozen=True, kw_only=True):
    """A source of account states."""

    source: Annotated[
        Literal["claim", "python", "http"],
        Key("A `claim` of the token, a `python` function of the app, or an `http` service."),
    ] = field(name="from")
    status: Annotated[Pointer, Key("JSON Pointer to the status in the response.")] = "/status"
    at: Annotated[
        Pointer, Key("JSON Pointer to the time of the status in epoch seconds; default: the time of the response.")
    ] = ""
    delegations: Annotated[Pointer, Key("JSON Pointer to who may act for the account, and in which operations.")] = ""
    breaker: Annotated[Breaker | None, Key("Circuit breaker of the service.")] = None
    auth: Annotated[ServiceAuth, Key("Credentials of the guard for an `http` service.")] = ServiceAuth()


def accounts_or_none(typed: object) -> object:
    """Convert ``accounts: none`` to an empty list, which differs from a missing key."""
    return () if typed == "none" else typed


class Match(StrictModel, frozen=True, kw_only=True):
    """Requests of an operation."""

    path: Annotated[
        Template, Key("The path, such as `/orders/{order_id}`; `{rest:path}` matches the rest of a path.")
    ] = ""
    method: Annotated[
        Literal["", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"],
        Key("The HTTP method; default: any. GET includes HEAD."),
    ] = ""
    websocket: Annotated[Template, Key("Path of a WebSocket.")] = ""


class Need(StrictModel, frozen=True, kw_only=True):
    """Required strength and age of a sign-in."""

    acr: Annotated[Token, Key("Assurance level, one of `assurance.order`.")] = ""
    max_age: Annotated[Duration, Key("Maximum age of the sign-in.")] = 0.0


class Amount(StrictModel, frozen=True, kw_only=True):
    """Place of the amount in the body."""

    at: Annotated[Pointer, Key("JSON Pointer (RFC 6901) to the amount in a JSON body.")] = ""
    form: Annotated[FormField, Key("Field of a form with the amount, instead of `at`; it must be sent once.")] = ""
    scale: Annotated[
        int,
        Meta(ge=0, le=MAX_SCALE),
        Key("Digits of minor units: with 2, `1999` is 19.99; default 0, which takes `19.99`."),
    ] = 0
    currency: Annotated[
        Currency, Key("Three letters (ISO 4217), `{at: POINTER}` or `{form: FIELD}`; read in any case.")
    ]


class Limit(StrictModel, frozen=True, kw_only=True):
    """A limit on amounts or calls."""

    amount: Annotated[Money | None, Key("Maximum amount, such as `500 EUR`.")] = None
    calls: Annotated[int, Meta(ge=1, le=1_000_000_000), Key("Maximum number of calls.")] = 0
    per: Annotated[Period, Key("Time window of the limit, or `call`.")]
    by: Annotated[
        Literal["subject", "session", "actor", "client", "operation", "payee", "issuer", "service"],
        Key("Owner of the counter: `subject`, `session` ...; `service` is one counter for all."),
    ] = "subject"
    name: Annotated[Name, Key("Name of the limit; with `then`, a value of the condition `limit` in rules.")] = ""
    then: Annotated[
        Name,
        Key("Fallback if this is the first exceeded limit; default: `slow_down` or `await_approval`."),
    ] = ""


class Payee(StrictModel, frozen=True, kw_only=True):
    """Place of the payee in the body."""

    at: Annotated[Pointer, Key("JSON Pointer (RFC 6901) to the payee in a JSON body.")] = ""
    form: Annotated[FormField, Key("Field of a form with the payee, instead of `at`; it must be sent once.")] = ""


class Otherwise(StrictModel, frozen=True, kw_only=True):
    """Properties of requests that match no operation, if they are not refused."""

    risk: Annotated[Risk, Key("Risk class; never public.")] = "sensitive"
    effect: Annotated[Effect, Key("`read` or `write`.")] = "write"
    scopes: Annotated[tuple[Token, ...], Key("Required token scopes, all of them.")] = ()
    assurance: Annotated[Need, Key("Required strength and age of the sign-in.")] = Need()


def otherwise_or_deny(typed: object) -> object:
    """Convert ``otherwise: deny`` to ``None``."""
    return None if typed == "deny" else typed


class Operation(OperationSettings, frozen=True, kw_only=True):
    """An operation of the app."""

    # compared by the requests that it matches, in `routes`
    match: Annotated[Match, Key("Requests of this operation.", "neutral")]
    risk: Annotated[Risk, Key("Risk class, used by rules.", "risk")]
    effect: Annotated[Effect, Key("`read` or `write`.", "effect")]
    assurance: Annotated[Need, Key("Required strength and age of the sign-in.")] = Need()
    amount: Annotated[Amount | None, Key("Place of the amount in the request body.")] = None
    payee: Annotated[Payee | None, Key("Place of the payee in the request body.")] = None
    # compared one by one, in `requirements`
    limits: Annotated[
        tuple[Limit, ...], Meta(max_length=MAX_LIMITS), Key("Limits on amounts and calls.", "unordered")
    ] = ()
    idempotency: Annotated[
        Literal["", "required"], Key("`required` if a request must have an `Idempotency-Key`.", "smaller")
    ] = ""
    # a repeated request may differ in its unbound parts
    binds: Annotated[
        tuple[BoundHeader, ...],
        Meta(max_length=MAX_BINDS),
        Key("Request headers, such as `X-Tenant`, that an approval covers and approvers see.", "narrower"),
    ] = ()


class Assurance(StrictModel, frozen=True, kw_only=True):
    """Order of assurance levels."""

    order: Annotated[tuple[Token, ...], Key("Levels, weakest first.")]
    map: Annotated[dict[str, Token], Key("`acr` value of an issuer to level.")] = field(default_factory=dict)


class Identity(StrictModel, frozen=True, kw_only=True):
    """Sign-ins that prove identity without a verifier."""

    credential: Annotated[Token, Key("Assurance level at which a sign-in proves identity.")]


class ChannelPath(StrictModel, frozen=True, kw_only=True):
    """A channel that is identified by its path."""

    path: Annotated[Template, Key("Path template.")]
    channel: Annotated[Name, Key("Channel.")]


class ChannelFrom(StrictModel, frozen=True, kw_only=True):
    """Source of a request's channel."""

    header: Annotated[Header, Key("Header with the channel; ignored unless `secret_header` contains the secret.")] = ""
    secret_header: Annotated[Header, Key("Header with the gateway's secret; removed before the app runs.")] = ""
    secret_env: Annotated[
        Variable, Key("Environment variable with the secret (32 characters or more); blanks separate several.")
    ] = ""
    claim: Annotated[ClaimName, Key("Claim with the channel, by name or JSON Pointer.")] = ""
    paths: Annotated[tuple[ChannelPath, ...], Key("Path templates of channels; the first match wins.")] = ()


class Channels(StrictModel, frozen=True, kw_only=True):
    """Channels of customers."""

    source: Annotated[ChannelFrom, Key("Source of a request's channel.")] = field(name="from")
    # compared by channel, in `settings`
    trusts: Annotated[
        dict[Name, tuple[Name, ...]],
        Key("Channel to other channels in which proof of identity from this channel counts.", "wider"),
    ]


def approvers_in_list(typed: object) -> object:
    """Convert the approvers of one role to a list."""
    return [typed] if isinstance(typed, dict) else typed


class Approvers(StrictModel, frozen=True, kw_only=True):
    """Role, number and assurance level of the approvers of a hold."""

    role: Annotated[Role, Key("Role of the approvers, in the claim that `staff` names.")]
    count: Annotated[int, Meta(ge=1, le=100), Key("Number of different persons who must approve.")] = 1
    acr: Annotated[Token, Key("Assurance level of an approver's sign-in, one of `assurance.order`.")] = ""


class Staff(StrictModel, frozen=True, kw_only=True):
    """Claim with staff roles, and the roles that may perform staff actions."""

    claim: Annotated[
        Text, Key("Claim with the roles, such as `roles` (RFC 9068 2.2.3.1), or a JSON Pointer into the claims.")
    ]
    issuer: Annotated[Texts | None, Key("Issuers whose roles count; default: the only issuer, `[]` for none.")] = None
    authority: Annotated[
        dict[Literal["reinstate", "reset"], Role],
        Key("Roles that may `reinstate` accounts and `reset` verifications; default: nobody."),
    ] = field(default_factory=dict)

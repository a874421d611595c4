"""Models of deployment settings: issuers, operations, assurance, verifiers, channels and log."""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.core.cors import ALLOWED_HEADERS
from authguard.core.sections import Risk
from authguard.policy.schema.model import StrictModel
from authguard.policy.schema.types import (
    Address,
    AnyHeader,
    AnyMethod,
    BoundHeader,
    Callable_,
    ClaimName,
    Currency,
    Duration,
    FormField,
    Header,
    HostName,
    Money,
    Name,
    Origin,
    Period,
    Pointer,
    Role,
    Source,
    Template,
    Text,
    Texts,
    Token,
    Tolerance,
    Variable,
)

Effect = Literal["read", "write"]

#: maximum headers of one operation; an approver must be able to read them
MAX_BINDS: Final = 16
#: maximum groups of one operation
MAX_GROUPS: Final = 16
#: maximum roles of one operation
MAX_ROLES: Final = 32
#: maximum limits of one operation; each request counts against all of them
MAX_LIMITS: Final = 32
#: maximum digits of minor units; a currency has at most 4 (ISO 4217), a token of a chain often 18
MAX_SCALE: Final = 18
#: maximum origins, methods, headers or hosts in one list
MAX_ACCESS_ITEMS: Final = 200


class Agent(StrictModel, frozen=True, kw_only=True):
    """An actor that may act for a subject."""

    issuer: Text = ""
    client: Text
    alone: bool = False


def agent_by_client(typed: object) -> object:
    """Convert a bare name to an agent of the only issuer."""
    return typed if isinstance(typed, dict) else {"client": typed}


class Breaker(StrictModel, frozen=True, kw_only=True):
    """Circuit breaker of a service."""

    failures: Annotated[int, Meta(ge=1, le=1_000)]
    open_for: Duration


class ServiceAuth(StrictModel, frozen=True, kw_only=True):
    """Credentials of the guard for a service: a token, or a certificate (mutual TLS)."""

    bearer_env: Variable = ""
    certificate: Text = ""
    key: Text = ""
    authority: Text = ""


class AccountSource(StrictModel, frozen=True, kw_only=True):
    """A source of account states."""

    source: Literal["claim", "python", "http"] = field(name="from")
    claim: ClaimName = ""
    map: dict[str, Name] = field(default_factory=dict)
    call: Callable_ = ""
    url: Address = ""
    status: Pointer = "/status"
    at: Pointer = ""
    delegations: Pointer = ""
    max_age: Tolerance = 300.0
    timeout: Duration = 0.5
    breaker: Breaker | None = None
    max_concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 50
    auth: ServiceAuth = ServiceAuth()


def accounts_or_none(typed: object) -> object:
    """Convert ``accounts: none`` to an empty list, which differs from a missing key."""
    return () if typed == "none" else typed


class Match(StrictModel, frozen=True, kw_only=True):
    """Requests of an operation."""

    path: Template = ""
    method: Literal["", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] = ""
    websocket: Template = ""


class Need(StrictModel, frozen=True, kw_only=True):
    """Required strength and age of a sign-in."""

    acr: Token = ""
    max_age: Duration = 0.0


class Amount(StrictModel, frozen=True, kw_only=True):
    """Place of the amount in the body."""

    at: Pointer = ""
    form: FormField = ""
    scale: Annotated[int, Meta(ge=0, le=MAX_SCALE)] = 0
    currency: Currency


class Limit(StrictModel, frozen=True, kw_only=True):
    """A limit on amounts or calls."""

    amount: Money | None = None
    calls: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 0
    per: Period
    by: Literal["subject", "session", "actor", "client", "operation", "payee", "issuer", "service"] = "subject"


class Payee(StrictModel, frozen=True, kw_only=True):
    """Place of the payee in the body."""

    at: Pointer = ""
    form: FormField = ""


class Otherwise(StrictModel, frozen=True, kw_only=True):
    """Properties of requests that match no operation, if they are not refused."""

    risk: Risk = "sensitive"
    effect: Effect = "write"
    scopes: tuple[Token, ...] = ()
    assurance: Need = Need()


def otherwise_or_deny(typed: object) -> object:
    """Convert ``otherwise: deny`` to ``None``."""
    return None if typed == "deny" else typed


class Operation(StrictModel, frozen=True, kw_only=True):
    """An operation of the app."""

    name: Name
    match: Match
    hosts: Annotated[tuple[HostName, ...], Meta(max_length=MAX_ACCESS_ITEMS)] = ()
    risk: Risk
    effect: Effect
    scopes: tuple[Token, ...] = ()
    roles: Annotated[tuple[Role, ...], Meta(max_length=MAX_ROLES)] = ()
    assurance: Need = Need()
    amount: Amount | None = None
    payee: Payee | None = None
    limits: Annotated[tuple[Limit, ...], Meta(max_length=MAX_LIMITS)] = ()
    idempotency: Literal["", "required"] = ""
    failed_on: Annotated[tuple[Annotated[int, Meta(ge=300, le=599)], ...], Meta(max_length=100)] | None = None
    actor: Literal["any", "required", "forbidden"] = "any"
    groups: Annotated[tuple[Name, ...], Meta(max_length=MAX_GROUPS)] = ()
    binds: Annotated[tuple[BoundHeader, ...], Meta(max_length=MAX_BINDS)] = ()


class Assurance(StrictModel, frozen=True, kw_only=True):
    """Order of assurance levels."""

    order: tuple[Token, ...]
    map: dict[str, Token] = field(default_factory=dict)


class Identity(StrictModel, frozen=True, kw_only=True):
    """Sign-ins that prove identity without a verifier."""

    credential: Token


class Hedge(StrictModel, frozen=True, kw_only=True):
    """Second service, called if the first does not respond in time."""

    url: Address = ""
    call: Callable_ = ""
    after: Duration


class ServiceAnswer(StrictModel, frozen=True, kw_only=True):
    """Place and format of the result in a service's response."""

    score: Pointer = ""
    passed: Pointer = ""
    verdict: Pointer = ""
    map: dict[str, Literal["passed", "failed", "doubted", "unavailable"]] = field(default_factory=dict)


class Verifier(StrictModel, frozen=True, kw_only=True):
    """A service that verifies identity."""

    type: Literal["http", "python", "totp", "kba", "code"]
    url: Address = ""
    call: Callable_ = ""
    timeout: Duration = 2.0
    pass_at: Annotated[float, Meta(ge=0, le=1)] = 1.0
    fail_at: Annotated[float, Meta(ge=0, le=1)] = 0.0
    interactive: bool = True
    retries: Annotated[int, Meta(ge=0, le=10)] = 0
    breaker: Breaker | None = None
    max_concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 50
    auth: ServiceAuth = ServiceAuth()
    request: dict[Pointer, Source] = field(default_factory=dict)
    response: ServiceAnswer = ServiceAnswer()
    hedge: Hedge | None = None
    digits: Annotated[int, Meta(ge=6, le=10)] = 6
    window: Annotated[int, Meta(ge=0, le=2)] = 1
    expires: Duration = 300.0
    questions: Annotated[tuple[Name, ...], Meta(max_length=16)] = ()


class Method(StrictModel, frozen=True, kw_only=True):
    """A combination of verifiers."""

    all: tuple[Name, ...] = ()
    any: tuple[Name, ...] = ()
    sequence: tuple[Name, ...] = ()
    quorum: Annotated[int, Meta(ge=1, le=100)] = 0
    of: tuple[Name, ...] = ()
    on_contradiction: Literal["ambiguous", "failed"] = "ambiguous"
    on_doubt: Literal["ambiguous", "failed"] = "ambiguous"
    on_unavailable: Literal["unavailable", "ambiguous"] = "unavailable"
    backoff: Duration = 0.0
    attempts: Annotated[int, Meta(ge=1, le=1_000)] = 0
    per: Duration = 0.0


class ChannelPath(StrictModel, frozen=True, kw_only=True):
    """A channel that is identified by its path."""

    path: Template
    channel: Name


class ChannelFrom(StrictModel, frozen=True, kw_only=True):
    """Source of a request's channel."""

    header: Header = ""
    secret_header: Header = ""
    secret_env: Variable = ""
    claim: ClaimName = ""
    paths: tuple[ChannelPath, ...] = ()


class Channels(StrictModel, frozen=True, kw_only=True):
    """Channels of customers."""

    source: ChannelFrom = field(name="from")
    trusts: dict[Name, tuple[Name, ...]]


class Cors(StrictModel, frozen=True, kw_only=True):
    """CORS settings, named as the options of Starlette's `CORSMiddleware`."""

    allow_origins: Annotated[tuple[Origin, ...], Meta(max_length=MAX_ACCESS_ITEMS)] = ()
    allow_origin_regex: Annotated[Text, Meta(max_length=500)] = ""
    allow_methods: Annotated[tuple[AnyMethod, ...], Meta(max_length=MAX_ACCESS_ITEMS)] = ("GET",)
    allow_headers: Annotated[tuple[AnyHeader, ...], Meta(max_length=MAX_ACCESS_ITEMS)] = ALLOWED_HEADERS
    allow_credentials: bool = False
    expose_headers: Annotated[tuple[AnyHeader, ...], Meta(max_length=MAX_ACCESS_ITEMS)] = ()
    max_age: Annotated[int, Meta(ge=0, le=86_400)] = 600


class Approvers(StrictModel, frozen=True, kw_only=True):
    """Role, number and assurance level of the approvers of a hold."""

    role: Role
    count: Annotated[int, Meta(ge=1, le=100)] = 1
    acr: Token = ""


class Staff(StrictModel, frozen=True, kw_only=True):
    """Claim with staff roles, and the roles that may perform staff actions."""

    claim: Text
    issuer: Texts | None = None
    authority: dict[Literal["reinstate", "reset"], Role] = field(default_factory=dict)

"""Pydantic models of deployment settings: issuers, operations, assurance, verifiers, channels and log."""

from typing import Annotated, Final, Literal

from pydantic import Field

from authguard.core.cors import ALLOWED_HEADERS
from authguard.policy.schema.strict_model import StrictModel
from authguard.policy.schema.types import (
    Address,
    AnyHeader,
    AnyMethod,
    BoundHeader,
    Callable_,
    ClaimName,
    Currency,
    Duration,
    EventName,
    FormField,
    Header,
    HostName,
    Message,
    Money,
    Name,
    Origin,
    Period,
    Pointer,
    Role,
    RootPath,
    Size,
    Source,
    Template,
    Text,
    Texts,
    Token,
    Tolerance,
    Variable,
)

Risk = Literal["public", "self", "routine", "sensitive", "high", "staff"]
Effect = Literal["read", "write"]

#: maximum headers of one operation; an approver must be able to read them
MAX_BINDS: Final = 16
#: maximum roles of one operation
MAX_ROLES: Final = 32
#: maximum limits of one operation; each request counts against all of them
MAX_LIMITS: Final = 32
#: maximum digits of minor units; a currency has at most 4 (ISO 4217), a token of a chain often 18
MAX_SCALE: Final = 18
#: maximum origins, methods, headers or hosts in one list
MAX_ACCESS_ITEMS: Final = 200


class Agent(StrictModel):
    """An actor that may act for a subject."""

    issuer: Text = ""
    client: Text
    alone: bool = False


def agent_by_client(typed: object) -> object:
    """Convert a bare name to an agent of the only issuer."""
    return typed if isinstance(typed, dict) else {"client": typed}


class Breaker(StrictModel):
    """Circuit breaker of a service."""

    failures: Annotated[int, Field(ge=1, le=1_000)]
    open_for: Duration


class ServiceAuth(StrictModel):
    """Credentials of the guard for a service: a token, or a certificate (mutual TLS)."""

    bearer_env: Variable = ""
    certificate: Text = ""
    key: Text = ""
    authority: Text = ""


class AccountSource(StrictModel):
    """A source of account states."""

    source: Literal["claim", "python", "http"] = Field(alias="from")
    claim: ClaimName = ""
    map: dict[str, Name] = Field(default_factory=dict)
    call: Callable_ = ""
    url: Address = ""
    status: Pointer = "/status"
    at: Pointer = ""
    delegations: Pointer = ""
    max_age: Tolerance = 300.0
    timeout: Duration = 0.5
    breaker: Breaker | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 50
    auth: ServiceAuth = Field(default_factory=ServiceAuth.model_construct)


def accounts_or_none(typed: object) -> object:
    """Convert ``accounts: none`` to an empty list, which differs from a missing key."""
    return () if typed == "none" else tuple(typed) if isinstance(typed, list) else typed


class Match(StrictModel):
    """Requests of an operation."""

    path: Template = ""
    method: Literal["", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] = ""
    websocket: Template = ""


class Need(StrictModel):
    """Required strength and age of a sign-in."""

    acr: Token = ""
    max_age: Duration = 0.0


class Amount(StrictModel):
    """Place of the amount in the body."""

    at: Pointer = ""
    form: FormField = ""
    scale: Annotated[int, Field(ge=0, le=MAX_SCALE)] = 0
    currency: Currency


class Limit(StrictModel):
    """A limit on amounts or calls."""

    amount: Money | None = None
    calls: Annotated[int, Field(ge=1, le=1_000_000_000)] = 0
    per: Period
    by: Literal["subject", "session", "actor", "client", "operation", "payee", "issuer", "service"] = "subject"


class Payee(StrictModel):
    """Place of the payee in the body."""

    at: Pointer = ""
    form: FormField = ""


class Otherwise(StrictModel):
    """Properties of requests that match no operation, if they are not refused."""

    risk: Risk = "sensitive"
    effect: Effect = "write"
    scopes: tuple[Token, ...] = ()
    assurance: Need = Field(default_factory=Need.model_construct)


def otherwise_or_deny(typed: object) -> object:
    """Convert ``otherwise: deny`` to ``None``."""
    if isinstance(typed, dict) and isinstance(typed.get("scopes"), list):
        return {**typed, "scopes": tuple(typed["scopes"])}  # a validator turns JSON arrays into lists, not tuples
    return None if typed == "deny" else typed


class Operation(StrictModel):
    """An operation of the app."""

    name: Name
    match: Match
    hosts: Annotated[tuple[HostName, ...], Field(max_length=MAX_ACCESS_ITEMS)] = ()
    risk: Risk
    effect: Effect
    scopes: tuple[Token, ...] = ()
    roles: Annotated[tuple[Role, ...], Field(max_length=MAX_ROLES)] = ()
    assurance: Need = Field(default_factory=Need.model_construct)
    amount: Amount | None = None
    payee: Payee | None = None
    limits: Annotated[tuple[Limit, ...], Field(max_length=MAX_LIMITS)] = ()
    idempotency: Literal["", "required"] = ""
    failed_on: Annotated[tuple[Annotated[int, Field(ge=300, le=599)], ...], Field(max_length=100)] | None = None
    actor: Literal["any", "required", "forbidden"] = "any"
    binds: Annotated[tuple[BoundHeader, ...], Field(max_length=MAX_BINDS)] = ()


class Assurance(StrictModel):
    """Order of assurance levels."""

    order: tuple[Token, ...]
    map: dict[str, Token] = Field(default_factory=dict)


class Identity(StrictModel):
    """Sign-ins that prove identity without a verifier."""

    credential: Token


class Hedge(StrictModel):
    """Second service, called if the first does not respond in time."""

    url: Address = ""
    call: Callable_ = ""
    after: Duration


class ServiceAnswer(StrictModel):
    """Place and format of the result in a service's response."""

    score: Pointer = ""
    passed: Pointer = ""
    verdict: Pointer = ""
    map: dict[str, Literal["passed", "failed", "doubted", "unavailable"]] = Field(default_factory=dict)


class Verifier(StrictModel):
    """A service that verifies identity."""

    type: Literal["http", "python", "totp", "kba", "code"]
    url: Address = ""
    call: Callable_ = ""
    timeout: Duration = 2.0
    pass_at: Annotated[float, Field(ge=0, le=1)] = 1.0
    fail_at: Annotated[float, Field(ge=0, le=1)] = 0.0
    interactive: bool = True
    retries: Annotated[int, Field(ge=0, le=10)] = 0
    breaker: Breaker | None = None
    max_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 50
    auth: ServiceAuth = Field(default_factory=ServiceAuth.model_construct)
    request: dict[Pointer, Source] = Field(default_factory=dict)
    response: ServiceAnswer = Field(default_factory=ServiceAnswer.model_construct)
    hedge: Hedge | None = None
    digits: Annotated[int, Field(ge=6, le=10)] = 6
    window: Annotated[int, Field(ge=0, le=2)] = 1
    expires: Duration = 300.0
    questions: Annotated[tuple[Name, ...], Field(max_length=16)] = ()


class Method(StrictModel):
    """A combination of verifiers."""

    all: tuple[Name, ...] = ()
    any: tuple[Name, ...] = ()
    sequence: tuple[Name, ...] = ()
    quorum: Annotated[int, Field(ge=1, le=100)] = 0
    of: tuple[Name, ...] = ()
    on_contradiction: Literal["ambiguous", "failed"] = "ambiguous"
    on_doubt: Literal["ambiguous", "failed"] = "ambiguous"
    on_unavailable: Literal["unavailable", "ambiguous"] = "unavailable"
    backoff: Duration = 0.0
    attempts: Annotated[int, Field(ge=1, le=1_000)] = 0
    per: Duration = 0.0


class ChannelPath(StrictModel):
    """A channel that is identified by its path."""

    path: Template
    channel: Name


class ChannelFrom(StrictModel):
    """Source of a request's channel."""

    header: Header = ""
    secret_header: Header = ""
    secret_env: Variable = ""
    claim: ClaimName = ""
    paths: tuple[ChannelPath, ...] = ()


class Channels(StrictModel):
    """Channels of customers."""

    source: ChannelFrom = Field(alias="from")
    trusts: dict[Name, tuple[Name, ...]]


class Budget(StrictModel):
    """Resources that the guard may use for one request."""

    request: Duration = 2.0
    body: Size = 1_048_576
    body_idle_timeout: Annotated[Duration, Field(ge=0.1, le=300.0)] = 10.0
    body_min_rate: Annotated[Size, Field(ge=1)] = 1_024
    body_timeout: Annotated[Duration, Field(ge=0.1, le=3_600.0)] = 120.0
    nodes: Annotated[int, Field(ge=100, le=10_000_000)] = 50_000
    in_flight: Annotated[int, Field(ge=1, le=100_000)] = 64


class Cors(StrictModel):
    """CORS settings, named as the options of Starlette's `CORSMiddleware`."""

    allow_origins: Annotated[tuple[Origin, ...], Field(max_length=MAX_ACCESS_ITEMS)] = ()
    allow_origin_regex: Annotated[Text, Field(max_length=500)] = ""
    allow_methods: Annotated[tuple[AnyMethod, ...], Field(max_length=MAX_ACCESS_ITEMS)] = ("GET",)
    allow_headers: Annotated[tuple[AnyHeader, ...], Field(max_length=MAX_ACCESS_ITEMS)] = ALLOWED_HEADERS
    allow_credentials: bool = False
    expose_headers: Annotated[tuple[AnyHeader, ...], Field(max_length=MAX_ACCESS_ITEMS)] = ()
    max_age: Annotated[int, Field(ge=0, le=86_400)] = 600


class Settings(StrictModel):
    """External addresses of the app."""

    public_url: Address = ""
    root_path: RootPath = ""


class Authority(StrictModel):
    """Role and number of persons for a rollback act."""

    role: Role
    count: Annotated[int, Field(ge=1, le=100)] = 1


class Approvers(StrictModel):
    """Role, number and assurance level of the approvers of a hold."""

    role: Role
    count: Annotated[int, Field(ge=1, le=100)] = 1
    acr: Token = ""


class Staff(StrictModel):
    """Claim with staff roles, and the roles that may perform staff actions."""

    claim: Text
    issuer: Texts | None = None
    authority: dict[Literal["reinstate", "reset"], Role] = Field(default_factory=dict)


class Rollback(StrictModel):
    """Rollback from the agent to human service."""

    authority: dict[Literal["engage", "release"], Authority] = Field(default_factory=dict)
    message: Message | None = None


class Reports(StrictModel):
    """Account events that the app may report; only staff can reverse them."""

    app: Annotated[tuple[EventName, ...], Field(max_length=100)] = ()


class Transactions(StrictModel):
    """Storage of transactions."""

    max_held: Annotated[int, Field(ge=1, le=10_000)] = 20
    response_retention: Annotated[Duration, Field(ge=60.0, le=2_592_000.0)] = 86_400.0


class Checkpoints(StrictModel):
    """When a checkpoint is signed: after a number of lines or a time, whichever is first."""

    every: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    max_interval: Annotated[Duration, Field(ge=1.0, le=3_600.0)] = 10.0


class Rotate(StrictModel):
    """When a log file is rotated: at a size or an age, whichever is first."""

    size: Annotated[Size, Field(ge=65_536)] = 67_108_864
    max_age: Annotated[Duration, Field(ge=60.0)] = 604_800.0


class Audit(StrictModel):
    """Storage of the audit log."""

    durability: dict[Risk, Literal["async", "group", "sync"]] = Field(default_factory=dict)
    subjects: Literal["pseudonymous", "plain"] = "pseudonymous"
    public: Literal["each", "windows"] = "each"
    request: Annotated[tuple[Literal["peer", "method", "path"], ...], Field(max_length=3)] = ()
    peers: Literal["pseudonymous", "plain"] = "pseudonymous"
    checkpoint: Checkpoints = Field(default_factory=Checkpoints.model_construct)
    rotate: Rotate = Field(default_factory=Rotate.model_construct)
    retention: Annotated[Duration, Field(ge=3_600.0)] | None = None

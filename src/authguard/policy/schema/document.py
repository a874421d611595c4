"""Models of the policy document: every key and the type of its value (POLICY, "Shape").

Strict: no unknown key, no coercion. The checks resolve names and prove properties; these models do not. The JSON Schema
for editors is generated from them (`authguard.policy.schema.json_schema`). Keys that this release does not enforce are
in `authguard.policy.schema.reserved_key`.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.core.outcomes import LocalizedText
from authguard.core.sections import Audit, Budget, Reports, Rollback, Settings, Transactions
from authguard.policy.schema.credential_place import Credentials
from authguard.policy.schema.deployment import (
    AccountSource,
    Agent,
    Approvers,
    Assurance,
    Channels,
    Cors,
    Effect,
    Identity,
    Method,
    Operation,
    Otherwise,
    Staff,
    Verifier,
    accounts_or_none,
    agent_by_client,
    otherwise_or_deny,
)
from authguard.policy.schema.issuer import Issuer
from authguard.policy.schema.model import Shorthand, StrictModel
from authguard.policy.schema.types import (
    CellValues,
    Dest,
    Dimension,
    Duration,
    EventName,
    EventNames,
    Freshness,
    HostName,
    Message,
    Name,
    Names,
    Patterns,
    Text,
    Token,
)

Machine = Literal["service", "account", "session", "verification", "transaction"]
Kind = Literal["restrict", "repeat", "challenge", "step_up", "verify", "hold", "handoff", "retry", "deny", "terminate"]
Outcome = Literal["allow", Kind]


#: maximum states of a machine; the checks compare pairs of account states
MAX_STATES: Final = 100
#: maximum sizes; the time of some checks grows with their square
MAX_RULES: Final = 2_000
MAX_OPERATIONS: Final = 1_000
MAX_LINES: Final = 1_000
MAX_FALLBACKS: Final = 500
MAX_PARTS: Final = 200


class Line(StrictModel, frozen=True, kw_only=True):
    """A transition, with the field names of the package `transitions`."""

    trigger: Patterns
    source: Patterns
    dest: Dest
    raises: EventNames = ()


class States(StrictModel, frozen=True, kw_only=True):
    """A state machine."""

    initial: Name = ""
    states: Annotated[tuple[Name, ...], Meta(max_length=MAX_STATES)] = ()
    transitions: Annotated[tuple[Line, ...], Meta(max_length=MAX_LINES)] = ()


class Timer(StrictModel, frozen=True, kw_only=True):
    """A timer."""

    event: EventName
    after: Duration
    since: Literal["entered", "signed_in", "last_seen", "reported", "faulted"]
    states: Names = ()


class Rule(StrictModel, frozen=True, kw_only=True):
    """A rule of the decision table."""

    when: dict[Dimension, CellValues]
    do: Name


class Invariant(StrictModel, frozen=True, kw_only=True):
    """A property that the checks prove over all cells."""

    name: Text
    never: dict[Dimension, CellValues] | None = None
    always_reachable: tuple[Outcome, ...] = ()
    by: tuple[Literal["caller", "clock", "operator"], ...] = ()


class Fallback(StrictModel, frozen=True, kw_only=True):
    """A named response; `KIND_KEYS` lists the keys of each kind."""

    kind: Kind
    status: Annotated[int, Meta(ge=200, le=599)] = 0
    message: Message = LocalizedText()
    discloses: tuple[Machine, ...] = ()
    attempts: Annotated[int, Meta(ge=1, le=1_000)] = 0
    per: Duration = 0.0
    then: Name = ""
    acr: Token = ""
    max_age: Freshness = 0.0
    methods: tuple[Name, ...] = ()
    approvers: Approvers | None = None
    queue: Name = ""
    after: Duration = 0.0
    effects: tuple[Effect, ...] = ()
    scopes: tuple[Token, ...] = ()
    error: Token = ""


#: kind -> its keys in addition to the keys of every kind (POLICY, "Fallbacks")
KIND_KEYS: Final[dict[str, frozenset[str]]] = {
    "step_up": frozenset({"acr", "max_age"}),
    "verify": frozenset({"methods"}),
    "hold": frozenset({"approvers"}),
    "handoff": frozenset({"queue"}),
    "retry": frozenset({"after"}),
    "restrict": frozenset({"effects", "scopes"}),
    "deny": frozenset({"error"}),
}


class Document(StrictModel, frozen=True, kw_only=True):
    """A policy file, merged with its base policies."""

    authguard: Literal[1]
    name: Name
    extends: Text = ""
    base: bool = False
    issuers: Annotated[tuple[Issuer, ...], Meta(max_length=MAX_PARTS)] = ()
    credentials: Credentials | None = None
    agents: Annotated[
        tuple[Annotated[Agent, Shorthand(agent_by_client, Text)], ...],
        Meta(max_length=MAX_OPERATIONS),
    ] = ()
    accounts: Annotated[
        tuple[AccountSource, ...] | None,
        Meta(max_length=MAX_PARTS),
        Shorthand(accounts_or_none, Literal["none"]),
    ] = None
    operations: Annotated[tuple[Operation, ...], Meta(max_length=MAX_OPERATIONS)] = ()
    hosts: Annotated[tuple[HostName, ...], Meta(max_length=MAX_PARTS)] = ()
    otherwise: Annotated[
        Otherwise | None,
        Shorthand(otherwise_or_deny, Literal["deny"]),
    ] = None
    assurance: Assurance = Assurance(order=())
    identity: Identity | None = None
    verifiers: Annotated[dict[Name, Verifier], Meta(max_length=MAX_PARTS)] = field(default_factory=dict)
    methods: Annotated[dict[Name, Method], Meta(max_length=MAX_PARTS)] = field(default_factory=dict)
    channels: Channels | None = None
    budget: Budget = Budget()
    cors: Cors | None = None
    settings: Settings = Settings()
    rollback: Rollback = Rollback()
    staff: Staff | None = None
    audit: Audit = Audit()
    transactions: Transactions = Transactions()
    reports: Reports = Reports()
    machines: dict[Machine, States] = field(default_factory=dict)
    decisions: Annotated[tuple[Rule, ...], Meta(max_length=MAX_RULES)] = ()
    fallbacks: Annotated[dict[Name, Fallback], Meta(max_length=MAX_FALLBACKS)] = field(default_factory=dict)
    invariants: Annotated[tuple[Invariant, ...], Meta(max_length=MAX_PARTS)] = ()
    timers: Annotated[tuple[Timer, ...], Meta(max_length=MAX_PARTS)] = ()
    on_fault: Name = ""

"""The policy document as pydantic models: which keys there are and what each takes (POLICY, "Shape").

Strict: no unknown key, no coercion. What names resolve to, and what is proved of it, is not asked here. The same models
give the JSON Schema for editors (`authguard.policy.schema`). A key that this release does not enforce is not here but
in `authguard.policy.later`.
"""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field

from authguard.policy.deployment import (
    AccountSource,
    Assurance,
    Audit,
    Authority,
    Budget,
    Channels,
    Effect,
    Identity,
    Issuer,
    Method,
    Operation,
    Otherwise,
    Part,
    Rollback,
    Settings,
    Verifier,
    accounts_or_none,
)
from authguard.policy.words import (
    Dest,
    Duration,
    EventName,
    EventNames,
    Freshness,
    Name,
    Names,
    Patterns,
    Say,
    Text,
    Token,
)

Machine = Literal["service", "account", "session", "verification", "transaction"]
Condition = Literal["credential", "risk", "effect", "scope", "assurance", "limit", "channel", "actor"]
Dimension = Literal[Machine, Condition]
Kind = Literal["restrict", "repeat", "challenge", "step_up", "verify", "hold", "handoff", "retry", "deny", "terminate"]
Outcome = Literal["allow", Kind]


#: a machine with more states is a mistake; pairs grow with the square of the account's
STATES_BOUND: Final = 100


class Line(Part):
    """One transition, in the field names of `transitions`."""

    trigger: Patterns
    source: Patterns
    dest: Dest
    raises: EventNames = ()


class States(Part):
    """One machine."""

    initial: Name = ""
    states: Annotated[tuple[Name, ...], Field(max_length=STATES_BOUND)] = ()
    transitions: tuple[Line, ...] = ()


class Timer(Part):
    """One timer."""

    event: EventName
    after: Duration
    since: Literal["entered", "signed_in", "last_seen", "reported", "faulted"]
    states: Names = ()


class Rule(Part):
    """One decision."""

    when: dict[Dimension, Names]
    do: Name


class Invariant(Part):
    """Something that must never, or always, hold."""

    name: Text
    never: dict[Literal[Dimension, "outcome"], Names] | None = None
    always_reachable: tuple[Outcome, ...] = ()
    by: tuple[Literal["caller", "clock", "operator"], ...] = ()


class Fallback(Part):
    """One named response; which keys go with which kind is `KIND_KEYS`."""

    kind: Kind
    status: Annotated[int, Field(ge=200, le=599)] = 0
    say: Say | None = None
    discloses: tuple[Machine, ...] = ()
    attempts: Annotated[int, Field(ge=1, le=1_000)] = 0
    per: Duration = 0.0
    then: Name = ""
    acr: Token = ""
    max_age: Freshness = 0.0
    methods: tuple[Name, ...] = ()
    approvers: Authority | None = None
    queue: Name = ""
    after: Duration = 0.0
    effects: tuple[Effect, ...] = ()
    scopes: tuple[Token, ...] = ()
    error: Token = ""


#: kind -> the keys that it has beside those of every kind (POLICY, "Fallbacks")
KIND_KEYS: Final[dict[str, frozenset[str]]] = {
    "step_up": frozenset({"acr", "max_age"}),
    "verify": frozenset({"methods"}),
    "hold": frozenset({"approvers"}),
    "handoff": frozenset({"queue"}),
    "retry": frozenset({"after"}),
    "restrict": frozenset({"effects", "scopes"}),
    "deny": frozenset({"error"}),
}


class Document(Part):
    """A whole policy file, merged with what it extends."""

    authguard: Literal[1]
    name: Name
    extends: Text = ""
    base: bool = False
    issuers: tuple[Issuer, ...] = ()
    agents: tuple[Text, ...] = ()
    accounts: Annotated[
        tuple[AccountSource, ...] | None,
        BeforeValidator(accounts_or_none, json_schema_input_type=Literal["none"] | list[AccountSource]),
    ] = None
    operations: tuple[Operation, ...] = ()
    otherwise: Otherwise = Otherwise()
    assurance: Assurance = Assurance(order=())
    identity: Identity | None = None
    verifiers: dict[Name, Verifier] = Field(default_factory=dict)
    methods: dict[Name, Method] = Field(default_factory=dict)
    channels: Channels | None = None
    budget: Budget = Budget()
    settings: Settings = Settings()
    rollback: Rollback = Rollback()
    audit: Audit = Audit()
    machines: dict[Machine, States] = Field(default_factory=dict)
    decisions: tuple[Rule, ...] = ()
    fallbacks: dict[Name, Fallback] = Field(default_factory=dict)
    invariants: tuple[Invariant, ...] = ()
    timers: tuple[Timer, ...] = ()
    on_fault: Name = ""

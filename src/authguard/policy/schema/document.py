"""Models of the policy document: every key and the type of its value (POLICY, "Shape").

Strict: no unknown key, no coercion. The checks resolve names and prove properties; these models do not. The JSON Schema
for editors is generated from them (`authguard.policy.schema.json_schema`). Keys that this release does not enforce are
in `authguard.policy.schema.reserved_key`.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, field

from authguard.core.cors import CorsSettings
from authguard.core.declaration import Key
from authguard.core.fallback_settings import FallbackSettings, Machine
from authguard.core.outcomes import LocalizedText
from authguard.core.own_conditions import MAX_CONDITIONS
from authguard.core.sections import Audit, Budget, Reports, Rollback, Settings, Transactions
from authguard.policy.schema.condition import OwnCondition
from authguard.policy.schema.credential_place import Credentials
from authguard.policy.schema.deployment import (
    AccountSource,
    Agent,
    Approvers,
    Assurance,
    Channels,
    Identity,
    Operation,
    Otherwise,
    Staff,
    accounts_or_none,
    agent_by_client,
    approvers_in_list,
    otherwise_or_deny,
)
from authguard.policy.schema.flag import Flags
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
    Wait,
)
from authguard.policy.schema.verification import Method, Verifier

Phase = Literal["service", "caller", "account", "identity", "transaction", "request", "last"]
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
#: maximum kinds of approvers of one hold
MAX_APPROVERS: Final = 10


class Line(StrictModel, frozen=True, kw_only=True):
    """A transition, with the field names of the package `transitions`."""

    trigger: Annotated[Patterns, Key("Event or list of events, without the machine's name.")]
    source: Annotated[Patterns, Key("Source states, or `'*'` for all.")]
    dest: Annotated[Dest, Key("Target state, or `'='` to stay.")]
    raises: Annotated[EventNames, Key("Events raised in other machines, `machine.event`.")] = ()


class State(StrictModel, frozen=True, kw_only=True):
    """An added state."""

    name: Annotated[Name, Key("Name of the state.")]
    like: Annotated[Name, Key("Inherited state: what the base policy says of it, it says of this one too.")] = ""


def state_by_name(typed: object) -> object:
    """Convert a bare name to a state that is like no other."""
    return typed if isinstance(typed, dict) else {"name": typed}


class States(StrictModel, frozen=True, kw_only=True):
    """A state machine."""

    initial: Annotated[Name, Key("Initial state.")] = ""
    states: Annotated[
        tuple[Annotated[State, Shorthand(state_by_name, Name)], ...],
        Meta(max_length=MAX_STATES),
        Key("Added states; of the account machine in order of strictness."),
    ] = ()
    transitions: Annotated[
        tuple[Line, ...],
        Meta(max_length=MAX_LINES),
        Key("Transitions, placed before the inherited ones; the first match wins."),
    ] = ()


class Timer(StrictModel, frozen=True, kw_only=True):
    """A timer."""

    event: Annotated[EventName, Key("Raised event, `machine.event`.")]
    after: Annotated[Duration, Key("Time after the moment in `since`.")]
    since: Annotated[
        Literal["entered", "signed_in", "last_seen", "reported", "faulted"], Key("Moment from which the time counts.")
    ]
    states: Annotated[Names, Key("States in which the timer runs; default: any.")] = ()


class Rule(StrictModel, frozen=True, kw_only=True):
    """A rule of the decision table."""

    when: Annotated[
        dict[Dimension, CellValues], Key("Machines and conditions to matching values; a missing key matches any value.")
    ]
    do: Annotated[
        Name, Key("`allow`, the name of a fallback, or `skip_phase`, which leaves out the rest of the phase `account`.")
    ]
    phase: Annotated[Phase, Key("Part of the table in which the rule stands, after earlier and before later ones.")] = (
        "account"
    )


class Invariant(StrictModel, frozen=True, kw_only=True):
    """A property that the checks prove over all cells."""

    name: Annotated[Text, Key("The property, as a sentence.")]
    never: Annotated[
        dict[Dimension, CellValues] | None,
        Key("Machines, conditions, `outcome` and `fallback` to values that must never occur together."),
    ] = None
    always_reachable: Annotated[tuple[Outcome, ...], Key("Outcomes of which one must always be reachable.")] = ()
    by: Annotated[
        tuple[Literal["caller", "clock", "operator"], ...],
        Key("Parties whose events may lead there: `caller`, `clock`, `operator`."),
    ] = ()


class Fallback(FallbackSettings, frozen=True, kw_only=True):
    """A named response; `KIND_KEYS` lists the keys of each kind."""

    kind: Annotated[Kind, Key("Kind of outcome.", "outcome")]
    message: Annotated[
        Message, Key("Text for the customer: one text, or texts by channel, or by language and channel.", "neutral")
    ] = LocalizedText()
    # compared by rank, in `fallbacks`
    acr: Annotated[Token, Key("For `step_up`: the level; default: the operation's requirement.", "unordered")] = ""
    max_age: Annotated[
        Freshness,
        Key(
            "For `step_up`: maximum age of the sign-in, or `since_entered`: newer than the current state.",
            "zero_is_unbounded",
        ),
    ] = 0.0
    # compared by who satisfies them, in `fallbacks`
    approvers: Annotated[
        tuple[Approvers, ...],
        Meta(max_length=MAX_APPROVERS),
        Shorthand(approvers_in_list, Approvers),
        Key("For `hold`: the approvers; a list for several roles. Each place takes another person.", "unordered"),
    ] = ()
    after: Annotated[
        Wait,
        Key(
            "For `retry`: time before the next request, or `expiry`: until time ends what the rule names.",
            "smaller",
        ),
    ] = 0.0


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

    authguard: Annotated[Literal[1], Key("Version of the policy language: 1.")]
    name: Annotated[Name, Key("Name of the policy in logs and records.")]
    extends: Annotated[Text, Key("Base policy: a shipped name such as `standard`, or a file in the same folder.")] = ""
    base: Annotated[
        bool, Key("Whether the policy is made to be extended; settings of a deployment may then be missing.", "neutral")
    ] = False
    issuers: Annotated[tuple[Issuer, ...], Meta(max_length=MAX_PARTS), Key("Issuers whose tokens are accepted.")] = ()
    credentials: Annotated[
        Credentials | None,
        Key("Places from which the credential is read; default: the `Authorization` header.", "credential_places"),
    ] = None
    agents: Annotated[
        tuple[Annotated[Agent, Shorthand(agent_by_client, Text)], ...],
        Meta(max_length=MAX_OPERATIONS),
        Key("Clients that may act for a subject: a client id, or `{issuer, client}` with several issuers.", "agents"),
    ] = ()
    accounts: Annotated[
        tuple[AccountSource, ...] | None,
        Meta(max_length=MAX_PARTS),
        Shorthand(accounts_or_none, Literal["none"]),
        Key("Sources of account states; `none` if every account is `normal`."),
    ] = None
    operations: Annotated[
        tuple[Operation, ...], Meta(max_length=MAX_OPERATIONS), Key("Operations of the app; the first match wins.")
    ] = ()
    hosts: Annotated[
        tuple[HostName, ...],
        Meta(max_length=MAX_PARTS),
        Key(
            "Accepted hosts, such as `shop.example` or `*.shop.example`; any other host is refused with 421.",
            "wider_or_all",
        ),
    ] = ()
    otherwise: Annotated[
        Otherwise | None,
        Shorthand(otherwise_or_deny, Literal["deny"]),
        Key("Requests that match no operation: `deny` (404), or the properties with which they are decided."),
    ] = None
    assurance: Annotated[Assurance, Key("Order of assurance levels.")] = Assurance(order=())
    identity: Annotated[Identity | None, Key("Sign-ins that prove identity without a verifier.")] = None
    verifiers: Annotated[
        dict[Name, Verifier], Meta(max_length=MAX_PARTS), Key("Services that verify identity, by name.")
    ] = field(default_factory=dict)
    methods: Annotated[dict[Name, Method], Meta(max_length=MAX_PARTS), Key("Combinations of verifiers, by name.")] = (
        field(default_factory=dict)
    )
    channels: Annotated[Channels | None, Key("Channels of customers, and the trust between channels.")] = None
    conditions: Annotated[
        dict[Name, OwnCondition],
        Meta(max_length=MAX_CONDITIONS),
        Key("Conditions of the policy's own: closed values that a request or a moment brings, by name."),
    ] = field(default_factory=dict)
    budget: Annotated[Budget, Key("Resources that the guard may use for one request.")] = Budget()
    cors: Annotated[
        CorsSettings | None, Key("CORS settings: the guard wraps itself in Starlette's `CORSMiddleware`.")
    ] = None
    settings: Annotated[Settings, Key("External addresses of the app.")] = Settings()
    rollback: Annotated[Rollback, Key("Rollback from the agent to human service.")] = Rollback()
    staff: Annotated[
        Staff | None, Key("Staff: the claim with a person's roles, and the roles that may perform staff actions.")
    ] = None
    audit: Annotated[Audit, Key("Storage of the audit log.")] = Audit()
    transactions: Annotated[Transactions, Key("Storage of transactions.")] = Transactions()
    reports: Annotated[Reports, Key("Account events that the app may report; only staff can reverse them.")] = Reports()
    flags: Annotated[
        Flags, Key("What the guard remembers for a time; rules name a flag as a condition, `clear` or `set`.")
    ] = field(default_factory=dict)
    machines: Annotated[
        dict[Machine, States], Key("States and transitions, added to the inherited ones; new transitions come first.")
    ] = field(default_factory=dict)
    decisions: Annotated[
        tuple[Rule, ...],
        Meta(max_length=MAX_RULES),
        Key("Rules of the decision table, placed before the inherited rules; the first match decides."),
    ] = ()
    fallbacks: Annotated[
        dict[Name, Fallback],
        Meta(max_length=MAX_FALLBACKS),
        Key("Named responses; an equal name replaces the inherited fallback."),
    ] = field(default_factory=dict)
    invariants: Annotated[
        tuple[Invariant, ...],
        Meta(max_length=MAX_PARTS),
        Key("Properties that must hold in all cells; added to the inherited ones."),
    ] = ()
    timers: Annotated[
        tuple[Timer, ...],
        Meta(max_length=MAX_PARTS),
        Key("Events raised after a time; they replace the inherited timers of the same event."),
    ] = ()
    on_fault: Annotated[Name, Key("Fallback if the guard fails: a retry, a denial or a hand-off.")] = ""

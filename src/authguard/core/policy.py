"""The compiled policy: immutable tables and settings that the enforcer uses for each request."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field
from msgspec.structs import force_setattr

from authguard.core.cors import NO_CORS, Cors
from authguard.core.credential_place import AUTHORIZATION
from authguard.core.deployment import (
    Assurance,
    Channels,
)
from authguard.core.outcomes import LocalizedText
from authguard.core.record_codec import FINAL_TRANSACTION_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.agents import Agent
    from authguard.core.credential_place import CredentialPlace
    from authguard.core.decision_table import Table
    from authguard.core.deployment import (
        AccountSource,
        Issuer,
        Verifier,
    )
    from authguard.core.machine import Machine
    from authguard.core.outcomes import Fallback
    from authguard.core.request import Limit, Operation
    from authguard.core.timers import Timers
    from authguard.core.verification import Method

Durability = Literal["async", "group", "sync"]

#: how often the last activity of a busy session is stored within its idle time: each costs a commit, and a session ends
#: this part of the idle time too early at most
LAST_SEEN_WRITES: Final = 20


class Changes(Struct, frozen=True, kw_only=True):
    """Changes that a policy makes to its base policy, other than added transitions and rules.

    Attributes:
        fallbacks: fallbacks by name, including ``allow``.
        states: machine -> added states.
    """

    fallbacks: frozenset[str] = frozenset()
    states: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Policy(Struct, frozen=True, kw_only=True):
    """A checked and compiled policy.

    Attributes:
        name: name in the file.
        digest: SHA-256 (hex) of the merged document in canonical JSON; part of every record.
        machines: the five state machines by name, each total.
        initial: machine -> initial state.
        timers: timers, indexed by state.
        table: decision table; decides every cell.
        fallbacks: by name; ``allow`` is among them.
        on_fault: name of the fallback if the guard fails.
        operations: operations; the first match wins.
        otherwise: operation for requests that match no other operation; used if `admits_unnamed`.
        admits_unnamed: whether requests that match no operation are decided as `otherwise`; if not, they are refused.
        issuers: ``iss`` -> issuer.
        credentials: places from which the credential is read; a request may use one.
        agents: actors that may act for a subject or alone.
        accounts: account sources; if empty, every account is ``normal``.
        assurance: order of assurance levels.
        verifiers: verifiers by name.
        methods: combinations of verifiers by name.
        identity: assurance level at which a sign-in proves identity; empty if only verifiers do.
        channels: channel settings.
        request_budget: seconds for all waits of the guard in one request, except for its body.
        body_budget: maximum bytes of a body that the guard reads.
        body_idle_timeout: maximum seconds without a part of a body.
        body_min_rate: minimum average bytes per second of a body, after the first `body_idle_timeout` seconds.
        body_timeout: maximum seconds for a body.
        nodes_budget: maximum values of a JSON body that the guard parses, including containers.
        in_flight_budget: maximum concurrent requests of one account.
        max_held: maximum transactions of one account that wait for approval.
        durability: risk -> how a decision is stored before a request is admitted.
        pseudonymous: whether the log contains keyed hashes instead of subjects.
        public_windows: whether window records cover public admissions above a rate.
        request_properties: properties of each request in its record: ``peer``, ``method``, ``path``.
        pseudonymous_peers: whether the log contains keyed hashes instead of the clients' addresses.
        checkpoint_every: log lines after which a checkpoint is signed.
        checkpoint_max_interval: maximum seconds between checkpoints.
        rotate_size: size in bytes at which a log file is rotated.
        rotate_max_age: age in seconds at which a log file is rotated.
        log_retention: retention of log lines in seconds; infinite by default.
        response_retention: retention of first responses of transactions in seconds.
        app_reports: account events that the app may report, ``account.STATE``.
        public_url: external origin of the app; empty if not set.
        hosts: accepted hosts; empty for any.
        root_path: prefix before the operations' paths; empty for the server's ``root_path``.
        cors: CORS settings.
        rollback_roles: act (``engage``, ``release``) -> (role, count).
        rollback_message: text for customers during a rollback.
        staff_claim: claim with staff roles, for `authguard.core.staff.roles`; empty without staff.
        staff_issuers: issuers whose staff roles count.
        staff_roles: act (``reinstate``, ``reset``) -> required role; nobody may perform a missing act.
        origins: ``rule:INDEX``, ``fallback:NAME`` or ``line:MACHINE:INDEX`` -> ``file:line`` of its definition.
        file: the policy's own file, as named in `origins`; origins in other files are inherited.
        changes: changes to inherited definitions.
        strictness: account state -> its position in the list of states; the strictest report wins.
        last_seen_tolerance: seconds by which the stored last activity may lag; 1/20 of the shortest idle time.
        effect_scopes: effect -> scopes that operations with that effect need, for ``restrict``.
        rollback_state: state of the service machine during a rollback.
        live_session_states: states of the session that need no fresh sign-in: one would keep the state.
        idle_session_states: states of the session with a timer that counts from the person's last activity.
        retention: seconds for which a record is kept after its last change, so that deletion restores no permission.
        limit_windows: limit -> length of its window in seconds.
        operation_limits: operation -> its limits.
        final_transaction_states: final states of a transaction, and states that a timer ends within the retention.
        asks_directories: whether an account source is asked for each request, and not a claim of the token.
        role_sources: issuer whose staff roles count -> claims or JSON Pointers with the roles.
        answer_timeouts: method -> seconds after which its verifiers' results are no longer expected.
    """

    name: str
    digest: str
    machines: Mapping[str, Machine]
    timers: Timers
    table: Table
    fallbacks: Mapping[str, Fallback]
    on_fault: str
    operations: tuple[Operation, ...] = ()
    otherwise: Operation
    admits_unnamed: bool = False
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    credentials: tuple[CredentialPlace, ...] = (AUTHORIZATION,)
    agents: frozenset[Agent] = frozenset()
    accounts: tuple[AccountSource, ...] = ()
    assurance: Assurance = field(default_factory=Assurance)
    identity: str = ""
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    channels: Channels = field(default_factory=Channels)
    request_budget: float = 2.0
    body_budget: int = 1_048_576
    body_idle_timeout: float = 10.0
    body_min_rate: int = 1_024
    body_timeout: float = 120.0
    nodes_budget: int = 50_000
    in_flight_budget: int = 64
    max_held: int = 20
    durability: Mapping[str, Durability] = field(default_factory=dict)
    pseudonymous: bool = True
    public_windows: bool = False
    request_properties: frozenset[str] = frozenset()
    pseudonymous_peers: bool = True
    checkpoint_every: int = 1_000
    checkpoint_max_interval: float = 10.0
    rotate_size: int = 67_108_864
    rotate_max_age: float = 604_800.0
    log_retention: float = inf
    response_retention: float = 86_400.0
    app_reports: frozenset[str] = frozenset()
    public_url: str = ""
    hosts: frozenset[str] = frozenset()
    root_path: str = ""
    cors: Cors = NO_CORS
    rollback_roles: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    rollback_message: LocalizedText = field(default_factory=LocalizedText)
    staff_claim: str = ""
    staff_issuers: frozenset[str] = frozenset()
    staff_roles: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    changes: Changes = field(default_factory=Changes)
    initial: Mapping[str, str] = field(default_factory=dict)
    strictness: Mapping[str, int] = field(default_factory=dict)
    last_seen_tolerance: float = 0.0
    effect_scopes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rollback_state: str = ""
    live_session_states: frozenset[str] = frozenset()
    idle_session_states: frozenset[str] = frozenset()
    retention: float = 0.0
    limit_windows: Mapping[str, float] = field(default_factory=dict)
    operation_limits: Mapping[str, tuple[Limit, ...]] = field(default_factory=dict)
    final_transaction_states: frozenset[str] = frozenset()
    answer_timeouts: Mapping[str, float] = field(default_factory=dict)
    asks_directories: bool = False
    role_sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Derive values that are read in each request."""
        derive = force_setattr
        derive(self, "initial", {name: machine.spec.initial for name, machine in self.machines.items()})
        derive(self, "strictness", {state: place for place, state in enumerate(self.machines["account"].spec.states)})
        idle = [timer.after for timer in self.timers.declared if timer.since == "last_seen"]
        derive(self, "last_seen_tolerance", min(idle, default=60.0) / LAST_SEEN_WRITES)
        scopes: dict[str, frozenset[str]] = {"read": frozenset(), "write": frozenset()}
        for operation in self.operations:
            scopes[operation.effect] |= operation.scopes
        derive(self, "effect_scopes", scopes)
        derive(self, "asks_directories", not all(source.claim for source in self.accounts))
        derive(self, "role_sources", dict(self._role_sources()))
        derive(self, "rollback_state", self.machines["service"].table[self.initial["service"], "engaged"].dest)
        session = self.machines["session"]
        live = (state for state in session.spec.states if session.table[state, "renewed"].dest == state)
        derive(self, "live_session_states", frozenset(live))
        armed = ((state, timers) for (machine, state), timers in self.timers.armed.items() if machine == "session")
        idled = (state for state, timers in armed if any(timer.moment == "last_seen" for timer in timers))
        derive(self, "idle_session_states", frozenset(idled))
        derive(self, "retention", self._retention())
        derive(self, "final_transaction_states", FINAL_TRANSACTION_STATES | set(self._expiring_states()))
        limits = [limit for operation in self.operations for limit in operation.limits]
        derive(self, "limit_windows", {limit.name: limit.per for limit in limits})
        # the first operation of a name counts
        named = {one.name: one.limits for one in (self.otherwise, *reversed(self.operations))}
        derive(self, "operation_limits", named)
        derive(self, "answer_timeouts", {name: self._answer_timeout(method) for name, method in self.methods.items()})

    @property
    def all_operations(self) -> tuple[Operation, ...]:
        """All operations that a request can match."""
        return (*self.operations, self.otherwise) if self.admits_unnamed else self.operations

    def _answer_timeout(self, method: Method) -> float:
        """Return the maximum seconds for one set of answers: each verifier is called twice, one after the other."""
        asked = [self.verifiers[name].max_duration for name in method.verifiers if name in self.verifiers]
        return 2 * (sum(asked) + self.request_budget)

    def _retention(self) -> float:
        """Return the seconds for which records must be kept (DESIGN 2, "Nothing revives by being forgotten")."""
        # A request with a deleted session starts a new session. Its old sign-in must then be older than the absolute
        # timeout, so that the timer ends the new session at once. Without such a timer, records are kept for ever. So
        # is the record of a session whose issuer need not state the sign-in time (`SessionRecord.permanent`).
        absolute = [
            timer.after
            for timer in self.timers.declared
            if timer.event == "session.aged" and timer.since == "signed_in" and not timer.states
        ]
        if not absolute:
            return float("inf")
        lives = [issuer.max_lifetime + 2 * issuer.leeway for issuer in self.issuers.values()]
        windows = [limit.per for operation in self.operations for limit in operation.limits]
        attempts = [fallback.per for fallback in self.fallbacks.values()]
        attempts += [method.per for method in self.methods.values()]
        return min(absolute) + max([*lives, *windows, *attempts, self.response_retention]) + 86_400.0

    def _expiring_states(self) -> Iterator[str]:
        """Yield the transaction states that a timer ends before the record may be deleted."""
        table = self.machines["transaction"].table
        for (machine, state), timers in self.timers.armed.items():
            if machine != "transaction":
                continue
            first = min(timers, key=lambda timer: timer.after)
            leads = table[state, first.event.partition(".")[2]].dest
            if leads in FINAL_TRANSACTION_STATES and first.moment == "entered" and first.after < self.retention:
                yield state

    def _role_sources(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name in self.staff_issuers if self.staff_claim else ():
            issuer = self.issuers.get(name)
            own = issuer.claims.roles if issuer is not None else ()
            yield name, own or (self.staff_claim,)

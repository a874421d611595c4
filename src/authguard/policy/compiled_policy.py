"""A policy that was proved and compiled: frozen values that requests run on, and nothing of the file's shape."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Literal

from authguard.core.cors import NO_CORS, Cors
from authguard.core.outcomes import LocalizedText
from authguard.core.record_codec import FINAL_TRANSACTION_STATES
from authguard.policy.deployment import Assurance, Channels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.agents import Agent
    from authguard.core.decision_table import Table
    from authguard.core.machine import Machine
    from authguard.core.outcomes import Fallback
    from authguard.core.request import Operation
    from authguard.core.timers import Timers
    from authguard.core.verification import Method
    from authguard.policy.deployment import AccountSource, Issuer, Verifier

Durability = Literal["async", "group", "sync"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a policy makes of what it inherits, beside the lines that it adds.

    Attributes:
        fallbacks: inherited names that it answers with another kind.
        states: machine -> the states that it adds.
    """

    fallbacks: frozenset[str] = frozenset()
    states: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole policy, proved and compiled.

    Attributes:
        name: as the file names it.
        digest: SHA-256 (hex) of the merged document in canonical form; every record names it.
        machines: all five, total.
        initial: each machine's initial state.
        timers: arranged by state.
        table: proved to decide every cell.
        fallbacks: by name; ``allow`` is among them.
        on_fault: the fallback for a fault of the guard itself.
        operations: first match wins.
        otherwise: what nobody named is judged as, where the policy admits it.
        admits_unnamed: whether the policy does; else what nobody named is refused.
        issuers: ``iss`` -> issuer.
        agents: that may act for a subject, or alone.
        accounts: sources; empty means that every account is ``normal``.
        assurance: order and equivalence of levels.
        verifiers: services that prove identity, by name.
        methods: how they combine, by name.
        identity: the level at which a sign-in proves identity itself; empty where only verifiers do.
        channels: where the customer speaks from.
        request_budget: seconds; every await of the guard ends within it.
        body_budget: bytes of a body that the guard reads.
        nodes_budget: values of a JSON body that the guard reads: members, elements and the containers around them.
        in_flight_budget: requests of one account that are decided at once.
        max_held: transactions of one account that wait for approvers at once.
        durability: risk -> how a decision is kept before anything is admitted.
        pseudonymous: whether the log holds keyed hashes instead of subjects.
        public_windows: whether admissions to public operations are covered by window records above a rate.
        checkpoint_every: lines after which the log's checkpoint is signed.
        checkpoint_max_interval: seconds after which it is, if sooner.
        rotate_size: bytes at which a file of the log is closed.
        rotate_max_age: seconds after which it is, if sooner.
        log_retention: seconds for which its lines are kept; infinite for ever.
        response_retention: seconds for which first answers of transactions are kept.
        app_reports: account events that the app may report, ``account.STATE``.
        public_url: the origin that callers use; empty where the policy does not say.
        hosts: that a request may name; empty for any.
        root_path: what stands before the operations' paths; empty for what the server says.
        cors: what pages of other origins may do.
        rollback_roles: act (``engage``, ``release``) -> (role, count).
        rollback_message: what the customer is told while rolled back.
        staff_claim: the claim with the roles of staff, for `authguard.core.staff.roles`; empty where nobody is staff.
        staff_issuers: whose roles make staff.
        staff_roles: act (``reinstate``, ``reset``) -> the role that may; nobody where it is not there.
        origins: where things were written, ``file:line`` by ``rule:INDEX``, ``fallback:NAME``, ``line:MACHINE:INDEX``.
        file: the policy's own file, as `origins` names it; whatever stands elsewhere is inherited.
        changes: what it makes of what it inherits.
        strictness: account state -> its place in the list of states; the strictest report wins.
        last_seen_tolerance: seconds by which the stored last act of a person may lag; 1/60 of the shortest idle time.
        effect_scopes: effect -> the scopes that operations of that effect need, for ``restrict``.
        rollback_state: state of the service once an operator engaged the rollback.
        retention: seconds for which a record outlives its last change, so that nothing revives by being forgotten.
        limit_windows: limit -> the seconds over which it counts.
        final_transaction_states: states of a transaction that only a timer can leave, within the retention.
        answer_timeouts: method -> seconds after which no answer of its verifiers is expected.
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
    agents: frozenset[Agent] = frozenset()
    accounts: tuple[AccountSource, ...] = ()
    assurance: Assurance = field(default_factory=Assurance)
    identity: str = ""
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    channels: Channels = field(default_factory=Channels)
    request_budget: float = 2.0
    body_budget: int = 1_048_576
    nodes_budget: int = 50_000
    in_flight_budget: int = 64
    max_held: int = 20
    durability: Mapping[str, Durability] = field(default_factory=dict)
    pseudonymous: bool = True
    public_windows: bool = False
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
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    file: str = ""
    changes: Changes = Changes()
    initial: Mapping[str, str] = field(init=False)
    strictness: Mapping[str, int] = field(init=False)
    last_seen_tolerance: float = field(init=False)
    effect_scopes: Mapping[str, frozenset[str]] = field(init=False)
    rollback_state: str = field(init=False)
    retention: float = field(init=False)
    limit_windows: Mapping[str, float] = field(init=False)
    final_transaction_states: frozenset[str] = field(init=False)
    answer_timeouts: Mapping[str, float] = field(init=False)

    def __post_init__(self) -> None:
        """Derive what requests ask for often."""
        derive = object.__setattr__
        derive(self, "initial", {name: machine.spec.initial for name, machine in self.machines.items()})
        derive(self, "strictness", {state: place for place, state in enumerate(self.machines["account"].spec.states)})
        idle = [timer.after for timer in self.timers.declared if timer.since == "last_seen"]
        derive(self, "last_seen_tolerance", min(idle, default=60.0) / 60)
        scopes: dict[str, frozenset[str]] = {"read": frozenset(), "write": frozenset()}
        for operation in self.operations:
            scopes[operation.effect] |= operation.scopes
        derive(self, "effect_scopes", scopes)
        derive(self, "rollback_state", self.machines["service"].table[self.initial["service"], "engaged"].dest)
        derive(self, "retention", self._retention())
        derive(self, "final_transaction_states", FINAL_TRANSACTION_STATES | set(self._expiring_states()))
        limits = [limit for operation in self.operations for limit in operation.limits]
        derive(self, "limit_windows", {limit.name: limit.per for limit in limits})
        derive(self, "answer_timeouts", {name: self._answer_timeout(method) for name, method in self.methods.items()})

    @property
    def all_operations(self) -> tuple[Operation, ...]:
        """Every operation that a request can be judged as."""
        return (*self.operations, self.otherwise) if self.admits_unnamed else self.operations

    def _answer_timeout(self, method: Method) -> float:
        """Tell how long one set of answers takes at the worst: each verifier sends, then answers, in its turn."""
        asked = [self.verifiers[name].max_duration for name in method.verifiers if name in self.verifiers]
        return 2 * (sum(asked) + self.request_budget)

    def _retention(self) -> float:
        """Tell how long a record may still be named (DESIGN 2, "Nothing revives by being forgotten").

        A session that was forgotten is met as a new one; its old sign-in must by then be older than the absolute
        time-out, so that the timer ends it on the same look. Where no such timer counts from the sign-in, or an
        issuer proves sign-ins by ``sid`` alone, nothing can be forgotten.
        """
        absolute = [
            timer.after
            for timer in self.timers.declared
            if timer.event == "session.aged" and timer.since == "signed_in" and not timer.states
        ]
        if not absolute or any(issuer.renewal == "sid" for issuer in self.issuers.values()):
            return float("inf")
        lives = [issuer.max_lifetime + 2 * issuer.leeway for issuer in self.issuers.values()]
        windows = [limit.per for operation in self.operations for limit in operation.limits]
        attempts = [fallback.per for fallback in self.fallbacks.values()]
        attempts += [method.per for method in self.methods.values()]
        return min(absolute) + max([*lives, *windows, *attempts, self.response_retention]) + 86_400.0

    def _expiring_states(self) -> Iterator[str]:
        """Name the states of a transaction that end by themselves long before the record may be forgotten."""
        table = self.machines["transaction"].table
        for (machine, state), timers in self.timers.armed.items():
            if machine != "transaction":
                continue
            first = min(timers, key=lambda timer: timer.after)
            leads = table[state, first.event.partition(".")[2]].dest
            if leads in FINAL_TRANSACTION_STATES and first.moment == "entered" and first.after < self.retention:
                yield state

    def has_idle_timer(self, state: str) -> bool:
        """Whether a timer counts from the person's last act while the session is in a state."""
        return any(timer.moment == "last_seen" for timer in self.timers.armed.get(("session", state), ()))

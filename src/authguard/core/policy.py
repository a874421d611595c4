"""The compiled policy: immutable tables and settings that the enforcer uses for each request."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from msgspec import field
from msgspec.structs import force_setattr

from authguard.core.asked_conditions import find_asked, used_conditions
from authguard.core.content import Content
from authguard.core.flags import FLAG_EVENTS
from authguard.core.record_codec import FINAL_TRANSACTION_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.core.decision_table import Table
    from authguard.core.deployment import Channels, Issuer
    from authguard.core.flags import Flag
    from authguard.core.machine import Machine
    from authguard.core.outcomes import Fallback
    from authguard.core.own_conditions import OwnCondition
    from authguard.core.request import Limit
    from authguard.core.timers import Timers
    from authguard.core.verification import Method

#: how often the last activity of a busy session is stored within its idle time: each costs a commit, and a session ends
#: this part of the idle time too early at most
LAST_SEEN_WRITES: Final = 20


class Policy(Content, frozen=True, kw_only=True):
    """A checked and compiled policy: its content, with the tables that decide.

    Attributes:
        machines: the five state machines by name, each total.
        initial: machine -> initial state.
        timers: timers, indexed by state.
        table: decision table; decides every cell.
        fallbacks: by name; ``allow`` is among them.
        issuers: ``iss`` -> issuer.
        origins: ``rule:INDEX``, ``fallback:NAME`` or ``line:MACHINE:INDEX`` -> ``file:line`` of its definition.
        file: the policy's own file, as named in `origins`; origins in other files are inherited.
        strictness: account state -> its position in the list of states; the strictest report wins.
        last_seen_tolerance: seconds by which the stored last activity may lag; 1/20 of the shortest idle time.
        effect_scopes: effect -> scopes that operations with that effect need, for ``restrict``.
        rollback_state: state of the service machine during a rollback.
        live_session_states: states of the session that need no fresh sign-in: one would keep the state.
        idle_session_states: states of the session with a timer that counts from the person's last activity.
        retention: seconds for which a record is kept after its last change, so that deletion restores no permission.
        limit_windows: limit -> length of its window in seconds.
        operation_limits: operation -> its limits.
        own_conditions: conditions that rules or invariants name, in order.
        asked_conditions: value of the dimension `operation` -> conditions with a ``call`` that its answers depend on.
        flag_setters: (event, operation) -> the flags that it sets.
        final_transaction_states: final states of a transaction, and states that a timer ends within the retention.
        asks_directories: whether an account source is asked for each request, and not a claim of the token.
        role_sources: issuer whose staff roles count -> claims or JSON Pointers with the roles.
        waiting_risks: risks whose requests are admitted after their decision is on disk, and not before.
        answer_timeouts: method -> seconds after which its verifiers' results are no longer expected.
    """

    machines: Mapping[str, Machine]
    timers: Timers
    table: Table
    fallbacks: Mapping[str, Fallback]
    issuers: Mapping[str, Issuer] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
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
    own_conditions: tuple[OwnCondition, ...] = ()
    asked_conditions: Mapping[str, tuple[OwnCondition, ...]] = field(default_factory=dict)
    flag_setters: Mapping[tuple[str, str], tuple[Flag, ...]] = field(default_factory=dict)
    final_transaction_states: frozenset[str] = frozenset()
    waiting_risks: frozenset[str] = frozenset()
    answer_timeouts: Mapping[str, float] = field(default_factory=dict)
    asks_directories: bool = False
    role_sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def by_gateway(self) -> tuple[Channels | OwnCondition, ...]:
        """What a gateway states in headers, with its secret."""
        declared: list[Channels | OwnCondition] = [self.channels, *self.conditions]
        return tuple(one for one in declared if one.header)

    def __post_init__(self) -> None:
        """Derive values that are read in each request."""
        derive = force_setattr
        derive(self, "own_conditions", used_conditions(self))
        derive(self, "asked_conditions", find_asked(self))
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
        flag_windows = {flag.key: flag.expires for flag in self.flags}
        limits = [limit for operation in self.operations for limit in operation.limits]
        derive(self, "limit_windows", {limit.name: limit.per for limit in limits} | flag_windows)
        # the first operation of a name counts
        named = {one.name: one.limits for one in (self.otherwise, *reversed(self.operations))}
        derive(self, "operation_limits", named)
        derive(self, "flag_setters", dict(self._flag_setters()))
        waiting = (risk for risk, stored in self.audit.durability.items() if stored != "async")
        derive(self, "waiting_risks", frozenset(waiting))
        derive(self, "answer_timeouts", {name: self._answer_timeout(method) for name, method in self.methods.items()})

    def _answer_timeout(self, method: Method) -> float:
        """Return the maximum seconds for one set of answers: each verifier is called twice, one after the other."""
        asked = [self.verifiers[name].max_duration for name in method.verifiers if name in self.verifiers]
        return 2 * (sum(asked) + self.budget.request)

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
        windows += [flag.expires for flag in self.flags if flag.expires < inf]  # the others keep their records for ever
        attempts = [fallback.per for fallback in self.fallbacks.values()]
        attempts += [method.per for method in self.methods.values()]
        return min(absolute) + max([*lives, *windows, *attempts, self.transactions.response_retention]) + 86_400.0

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

    def _flag_setters(self) -> Iterator[tuple[tuple[str, str], tuple[Flag, ...]]]:
        for operation in self.all_operations if self.flags else ():
            for event in FLAG_EVENTS:
                found = tuple([flag for flag in self.flags if flag.is_set_on(event, operation)])
                if found:
                    yield (event, operation.name), found

    def _role_sources(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        for name in self.staff_issuers if self.staff_claim else ():
            issuer = self.issuers.get(name)
            own = issuer.claims.roles if issuer is not None else ()
            yield name, own or (self.staff_claim,)

"""State machines: declared as lines, expanded to a total table by `transitions`, executed by table look-up.

Rules of this file:
- Only this file imports `transitions`; machines are built without auto transitions, callbacks and string callables.
- The table is data; `step` only looks up and has no code for particular states.
- First match wins; a pair without a line is a hole, and a machine with a hole is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

import msgspec
from msgspec import Struct

from authguard.core.events import ENDING, REENTERING, Event, triggers
from authguard.core.owners import deliver
from authguard.core.snapshot import STATE_FIELDS, Keys, SessionRecord, Snapshot
from authguard.errors import MachineFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transitions import Machine as TransitionsMachine

STAY: Final = "="
ANY: Final = "*"
#: longest chain of raised events; the checker refuses loops, this bounds what it could miss
MAX_CHAIN_LENGTH: Final = 8


class Line(Struct, frozen=True, kw_only=True):
    """One line of a machine, with the field names of `transitions`.

    Attributes:
        triggers: triggers that it handles; ``("*",)`` for all.
        sources: states that it leaves; ``("*",)`` for all.
        dest: the state it enters; ``=`` keeps the state.
        raises: events that it raises in other machines, ``machine.trigger``.
    """

    triggers: tuple[str, ...]
    sources: tuple[str, ...]
    dest: str
    raises: tuple[str, ...] = ()


class Spec(Struct, frozen=True, kw_only=True):
    """The declaration of a machine.

    Attributes:
        name: one of `authguard.core.events.MACHINES`.
        initial: state of an unknown record.
        states: all states; for ``account`` in order of strictness.
        lines: first match wins.
    """

    name: str
    initial: str
    states: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def triggers(self) -> tuple[str, ...]:
        """All triggers that every state must handle."""
        return triggers(self.name, self.states)


class Edge(Struct, frozen=True):
    """The transition of one state on one trigger.

    Attributes:
        dest: next state.
        moves: whether the state is entered (again), so that `entered` changes and the log gets a transition.
        raises: events raised in other machines, only if the edge moves.
        line: index of the declaring line.
    """

    dest: str
    moves: bool
    raises: tuple[str, ...]
    line: int


class Expansion(Struct, frozen=True, kw_only=True):
    """The expanded lines of a machine, not yet checked for totality.

    Attributes:
        edges: (state, trigger) -> transition of the first matching line.
        holes: pairs without a line, in the order of triggers and states.
        shadowed: indexes of the lines that earlier lines shadow completely.
    """

    edges: Mapping[tuple[str, str], Edge]
    holes: tuple[tuple[str, str], ...]
    shadowed: tuple[int, ...]


class Machine(Struct, frozen=True, kw_only=True):
    """A compiled, total machine: every state handles every trigger.

    Attributes:
        spec: the declaration.
        table: (state, trigger) -> `Edge`.
    """

    spec: Spec
    table: Mapping[tuple[str, str], Edge]


class Transition(msgspec.Struct, frozen=True):
    """One state change (or re-entry) for the log."""

    machine: str
    event: str
    source: str
    dest: str
    at: float
    cause: str


@lru_cache(maxsize=64)
def expand(spec: Spec) -> Expansion:
    """Expand lists and wildcards; the first line for a pair wins.

    Names that do not resolve match nothing here; the checker reports them.
    """
    edges: dict[tuple[str, str], Edge] = {}
    shadowed: list[int] = []
    known = frozenset(spec.triggers)
    states = frozenset(spec.states)
    for index, line in enumerate(spec.lines):
        before = len(edges)
        for trigger in spec.triggers if ANY in line.triggers else line.triggers:
            if trigger not in known:
                continue
            for source in spec.states if ANY in line.sources else line.sources:
                if source not in states or (source, trigger) in edges:
                    continue
                edges[source, trigger] = _edge(spec.name, line, index, source, trigger)
        if len(edges) == before:
            shadowed.append(index)
    holes = tuple(
        (state, trigger) for trigger in spec.triggers for state in spec.states if (state, trigger) not in edges
    )
    return Expansion(edges=edges, holes=holes, shadowed=tuple(shadowed))


def _edge(machine: str, line: Line, index: int, source: str, trigger: str) -> Edge:
    if line.dest == STAY:
        return Edge(dest=source, moves=False, raises=(), line=index)
    moves = line.dest != source or f"{machine}.{trigger}" in REENTERING
    return Edge(dest=line.dest, moves=moves, raises=line.raises if moves else (), line=index)


def build_engine(spec: Spec) -> TransitionsMachine:
    """Build the `transitions` machine of a specification.

    It has only the declared transitions: no ``to_STATE`` triggers, no callbacks, no queue, no model. The differential
    tests run it. Requests use the compiled table, which is a hundred times faster.
    """
    from transitions import Machine as TransitionsMachine  # noqa: PLC0415 - only a policy that is compiled needs it

    expansion = expand(spec)
    return TransitionsMachine(
        model=None,
        states=list(spec.states),
        initial=spec.initial,
        transitions=[
            {"trigger": trigger, "source": source, "dest": edge.dest}
            for (source, trigger), edge in expansion.edges.items()
        ],
        auto_transitions=False,
        send_event=False,
        queued=False,
        ignore_invalid_triggers=False,
    )


def compile_machine(spec: Spec) -> Machine:
    """Compile a total machine to its table; check every transition against `transitions`.

    Raises:
        MachineFaultError: the specification has a hole, names an undeclared state, or disagrees with `transitions`.
    """
    expansion = expand(spec)
    if expansion.holes:
        state, trigger = expansion.holes[0]
        raise MachineFaultError(f"machine `{spec.name}` does not handle `{trigger}` in state `{state}`")
    dests = {edge.dest for edge in expansion.edges.values()}
    if strays := dests.union({spec.initial}).difference(spec.states):
        raise MachineFaultError(f"machine `{spec.name}` names the undeclared state `{min(strays)}`")
    built = build_engine(spec)
    for (source, trigger), edge in expansion.edges.items():
        answers = built.events[trigger].transitions[source]
        if [answer.dest for answer in answers] != [edge.dest]:
            raise MachineFaultError(f"machine `{spec.name}` disagrees with its table on `{source}` and `{trigger}`")
    return Machine(spec=spec, table=dict(expansion.edges))


def step(
    machines: Mapping[str, Machine], snapshot: Snapshot, event: Event, keys: Keys, *, drops: bool = False
) -> tuple[Snapshot, tuple[Transition, ...]]:
    """Apply one event and the events that it raises, each to the record of its owner (`authguard.core.owners`).

    Args:
        machines: all five, by name.
        snapshot: current records.
        event: with its time.
        keys: of these records.
        drops: whether raised events of other records than these are left out, for a preview that is not saved.

    Returns:
        The next snapshot (the same object if nothing changed) and the transitions, in order.

    Raises:
        OwnerAbsentError: a raised event belongs to a record that is not loaded.
        MachineFaultError: a record holds a state unknown to this policy, or a chain of events exceeds its bound.
    """
    transitions: list[Transition] = []
    pending = [(event, "")]
    for _ in range(1 + MAX_CHAIN_LENGTH):
        if not pending:
            break
        sent, raiser = pending.pop(0)
        machine, _, trigger = sent.name.partition(".")
        if raiser:
            snapshot, delivered = deliver(snapshot, sent, raiser, keys, machines["account"].spec.states, drops=drops)
            if delivered is None:
                continue
            sent = delivered
        record_name, state_field, entered_field = (
            STATE_FIELDS[machine] if machine in STATE_FIELDS else _refuse_machine(sent.name)
        )
        record = getattr(snapshot, record_name)
        source = getattr(record, state_field)
        edge = machines[machine].table.get((source, trigger))
        if edge is None:
            raise MachineFaultError(f"machine `{machine}` does not handle `{trigger}` in the stored state `{source}`")
        changes: dict[str, str | float] = dict(sent.moments)
        if edge.moves:
            changes[state_field] = edge.dest
            changes[entered_field] = sent.at
            transitions.append(Transition(machine, trigger, source, edge.dest, sent.at, sent.cause))
            pending += [(Event(name=name, at=event.at, cause=event.name), machine) for name in edge.raises]
        if sent.name in ENDING and (edge.moves or raiser):
            changes |= _ending_moments(snapshot.session, sent.at)
        if changes:
            record = msgspec.structs.replace(record, **changes)
            snapshot = msgspec.structs.replace(snapshot, **{record_name: record})
    if pending:
        raise MachineFaultError(f"the events raised by `{event.name}` form a loop")
    return snapshot, tuple(transitions)


def _refuse_machine(event: str) -> NoReturn:
    raise MachineFaultError(f"there is no machine for the event `{event}`")


def _ending_moments(session: SessionRecord, at: float) -> dict[str, float]:
    """Return the moments of a session that ends: an earlier sign-in is void, also after the clock stepped back."""
    return {"ended": max(session.ended, at), "entered": max(session.entered, at)}

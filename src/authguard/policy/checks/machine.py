"""Checks of machines and timers: names, totality, reachable states, shadowed lines, event cycles and timer cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.events import MACHINES, MOMENTS, REENTERING
from authguard.core.machine import ANY, MAX_CHAIN_LENGTH, STAY, Spec, expand
from authguard.policy.problem import Place, Problem, did_you_mean, list_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from authguard.policy.draft import Draft

#: events of a proof or a person's decision: neither a timer nor another event may raise them (DESIGN 2)
PROOF_EVENTS: Final = REENTERING | {
    "account.normal",
    "account.reinstated",
    "session.accepted",
    "transaction.approved",
    "verification.reset",
}


def declared_specs(draft: Draft) -> Iterator[Spec]:
    """Return the machines with known names; `check_names` reports the others."""
    return (draft.machines[name] for name in MACHINES if name in draft.machines)


def line_place(draft: Draft, machine: str, index: int) -> Place:
    """Return the place of a line of a machine."""
    return draft.place(f"machines.{machine}.transitions[{index}]", f"machines.{machine}.transitions", "machines")


def unknown_name(place: Place, what: str, word: str, known: tuple[str, ...]) -> Problem:
    """Build the problem of an undeclared name.

    Args:
        place: its place in the file.
        what: the expected kind of name with an article: ``a state of machine `session` ``.
        word: the name.
        known: the declared names.
    """
    return Problem(
        code="unknown-name", place=place, message=f"`{word}` is not {what}", advice=did_you_mean(word, known)
    )


def event_is_known(draft: Draft, event: str) -> bool:
    """Return whether an event belongs to a machine that handles it."""
    machine, _, trigger = event.partition(".")
    return machine in MACHINES and machine in draft.machines and trigger in draft.machines[machine].triggers


def _events(draft: Draft) -> tuple[str, ...]:
    return tuple(f"{spec.name}.{trigger}" for spec in declared_specs(draft) for trigger in spec.triggers)


def check_names(draft: Draft) -> Iterator[Problem]:
    """Check that every machine is declared, and every name in it."""
    for name in MACHINES:
        if name not in draft.machines:
            place = draft.place("machines")
            yield Problem(code="machine-missing", place=place, message=f"machine `{name}` is not declared")
    for name in draft.machines:
        if name not in MACHINES:
            yield unknown_name(draft.place(f"machines.{name}", "machines"), "a machine", name, MACHINES)
    for spec in declared_specs(draft):
        states = draft.place(f"machines.{spec.name}.states", f"machines.{spec.name}", "machines")
        for state in sorted({state for state in spec.states if spec.states.count(state) > 1}):
            message = f"machine `{spec.name}` declares the state `{state}` twice"
            yield Problem(code="duplicate-name", place=states, message=message)
        if spec.initial not in spec.states:
            place = draft.place(f"machines.{spec.name}.initial", f"machines.{spec.name}", "machines")
            message = f"machine `{spec.name}` begins in `{spec.initial}`, which it does not have"
            advice = did_you_mean(spec.initial, spec.states)
            yield Problem(code="initial-unknown", place=place, message=message, advice=advice)
        yield from _lines_resolve(draft, spec)


def _lines_resolve(draft: Draft, spec: Spec) -> Iterator[Problem]:
    for index, line in enumerate(spec.lines):
        place = line_place(draft, spec.name, index)
        for trigger in line.triggers:
            if trigger not in (*spec.triggers, ANY):
                yield unknown_name(place, f"an event of machine `{spec.name}`", trigger, spec.triggers)
        for source in line.sources:
            if source not in (*spec.states, ANY):
                yield unknown_name(place, f"a state of machine `{spec.name}`", source, spec.states)
        if line.dest not in (*spec.states, STAY):
            yield unknown_name(place, f"a state of machine `{spec.name}`", line.dest, spec.states)
        for event in line.raises:
            if not event_is_known(draft, event):
                yield unknown_name(place, "an event", event, _events(draft))


def _unresolved_lines(draft: Draft, spec: Spec) -> set[int]:
    """Return the indexes of the lines of a machine that name something undeclared."""
    triggers, sources, dests = {*spec.triggers, ANY}, {*spec.states, ANY}, {*spec.states, STAY}
    return {
        index
        for index, line in enumerate(spec.lines)
        if not (triggers.issuperset(line.triggers) and sources.issuperset(line.sources) and line.dest in dests)
        or not all(event_is_known(draft, event) for event in line.raises)
    }


def check_totality(draft: Draft) -> Iterator[Problem]:
    """Check that every state handles every event; gaps are grouped, with a line that fills them."""
    for spec in declared_specs(draft):
        if _unresolved_lines(draft, spec):  # one of them may be the answer that seems to be missing
            continue
        missing: dict[str, list[str]] = {}
        for state, trigger in expand(spec).holes:
            missing.setdefault(trigger, []).append(state)
        grouped: dict[tuple[str, ...], list[str]] = {}
        for trigger, states in missing.items():
            grouped.setdefault(tuple(states), []).append(trigger)
        place = draft.place(f"machines.{spec.name}.transitions", f"machines.{spec.name}", "machines")
        for holes, triggers in grouped.items():
            everywhere = set(holes) == set(spec.states)
            where = "any state" if everywhere else f"state{'s' if len(holes) > 1 else ''} {list_names(holes)}"
            source = "'*'" if everywhere else _yaml(holes)
            yield Problem(
                code="machine-hole",
                place=place,
                message=f"machine `{spec.name}` has no answer to {list_names(triggers)} in {where}",
                advice=f"add `- {{trigger: {_yaml(triggers)}, source: {source}, dest: '='}}`, or the state it leads to",
            )


def _yaml(words: list[str] | tuple[str, ...]) -> str:
    return words[0] if len(words) == 1 else f"[{', '.join(words)}]"


def check_shadowed_transitions(draft: Draft) -> Iterator[Problem]:
    """Check that every transition line takes effect; overriding an inherited line is a note."""
    for spec in declared_specs(draft):
        unresolved = _unresolved_lines(draft, spec)  # their wrong names are a problem of its kind
        for index in sorted({*expand(spec).shadowed} - unresolved):
            place = line_place(draft, spec.name, index)
            message = f"line {index + 1} of machine `{spec.name}` has no effect: earlier lines handle everything"
            if _dead_in_its_own_file(draft, spec, index):
                advice = "move it before them, or delete it"
                yield Problem(code="transition-shadowed", place=place, message=message, advice=advice)
            else:
                yield Problem(code="overridden", place=place, message=message, severity="note")


def _dead_in_its_own_file(draft: Draft, spec: Spec, index: int) -> bool:
    file = line_place(draft, spec.name, index).file
    own = [place for place in range(index + 1) if line_place(draft, spec.name, place).file == file]
    alone = expand(replace(spec, lines=tuple(spec.lines[place] for place in own)))
    return len(own) - 1 in alone.shadowed


def check_reachable_states(draft: Draft) -> Iterator[Problem]:
    """Check that transitions lead from the initial state to every other state."""
    for spec in declared_specs(draft):
        if _unresolved_lines(draft, spec):  # one of them may lead to what seems unreachable
            continue
        leads: dict[str, set[str]] = {}
        for (source, _), edge in expand(spec).edges.items():
            leads.setdefault(source, set()).add(edge.dest)
        reached, pending = {spec.initial}, [spec.initial]
        while pending:
            fresh = leads.get(pending.pop(), set()) - reached
            reached |= fresh
            pending.extend(fresh)
        for index, state in enumerate(spec.states):
            if state not in reached:
                path = f"machines.{spec.name}"
                place = draft.place(f"{path}.states[{index}]", f"{path}.states", path, "machines")
                # an inherited state without a transition is harmless and cannot be removed
                own = place.file == draft.place().file
                yield Problem(
                    code="unreachable-state",
                    place=place,
                    message=f"no transition of machine `{spec.name}` leads to state `{state}`",
                    advice="add a transition to it, or delete it",
                    severity="error" if own else "note",
                )


def check_raised_events(draft: Draft) -> Iterator[Problem]:
    """Check that no event raises itself through others, and that no chain of events exceeds the bound of one step."""
    raised: dict[str, set[str]] = {}
    places: dict[str, Place] = {}
    widest: dict[str, tuple[str, ...]] = {}
    for spec in declared_specs(draft):
        for (_, trigger), edge in expand(spec).edges.items():
            if edge.raises:
                event = f"{spec.name}.{trigger}"
                raised.setdefault(event, set()).update(edge.raises)
                places.setdefault(event, line_place(draft, spec.name, edge.line))
                if len(edge.raises) > len(widest.get(event, ())):
                    widest[event] = edge.raises
    looping = {event for event in raised if find_cycle(raised, event)}
    for event in sorted(looping):
        message = f"`{event}` raises itself: {_arrows((event, *find_cycle(raised, event)))}"
        yield Problem(code="chain-loop", place=places[event], message=message, advice="take out one `raises`")
    if not looping:
        known: dict[str, int] = {}
        for event in sorted(raised):
            total = _follow_ups(raised, widest, event, known)
            if total > MAX_CHAIN_LENGTH:
                message = f"`{event}` can raise {total} further events, more than the {MAX_CHAIN_LENGTH} of one step"
                yield Problem(code="chain-loop", place=places[event], message=message)


def _follow_ups(
    raised: Mapping[str, set[str]], widest: Mapping[str, tuple[str, ...]], event: str, known: dict[str, int]
) -> int:
    """Return the largest number of events that can follow one event; `known` has the numbers of others."""
    if event not in known:
        longest = max((_follow_ups(raised, widest, follow, known) for follow in raised.get(event, ())), default=0)
        known[event] = len(widest.get(event, ())) * (1 + longest)
    return known[event]


def check_reserved_events(draft: Draft) -> Iterator[Problem]:
    """Check that no timer or transition raises an event that is reserved for a proof or a person."""
    raised = [(timer.event, draft.place(f"timers[{index}]", "timers")) for index, timer in enumerate(draft.timers)]
    raised += [
        (event, line_place(draft, spec.name, index))
        for spec in declared_specs(draft)
        for index, line in enumerate(spec.lines)
        for event in line.raises
    ]
    for event, place in raised:
        if event in PROOF_EVENTS:
            message = f"`{event}` is reserved for a proof or a person's decision"
            yield Problem(code="proof-unearned", place=place, message=message)


def find_cycle(leads: Mapping[str, set[str]], start: str) -> tuple[str, ...]:
    """Find a path from a node back to itself; empty if there is none.

    Args:
        leads: node -> its successors.
        start: start and end of the path; the result ends with it.
    """
    seen: set[str] = set()
    pending: list[tuple[str, ...]] = [()]
    while pending:
        way = pending.pop(0)
        for node in sorted(leads.get(way[-1] if way else start, ())):
            if node == start:
                return (*way, node)
            if node not in seen:
                seen.add(node)
                pending.append((*way, node))
    return ()


def _arrows(way: tuple[str, ...]) -> str:
    return " -> ".join(f"`{node}`" for node in way)


def check_timers(draft: Draft) -> Iterator[Problem]:
    """Check that every timer raises a known event, counts from a known moment, and can move a state."""
    for index, timer in enumerate(draft.timers):
        place = draft.place(f"timers[{index}]", "timers")
        if not event_is_known(draft, timer.event):
            yield unknown_name(place, "an event", timer.event, _events(draft))
            continue
        machine, _, trigger = timer.event.partition(".")
        spec = draft.machines[machine]
        for state in timer.states:
            if state not in spec.states:
                yield unknown_name(place, f"a state of machine `{machine}`", state, spec.states)
        if timer.since not in MOMENTS[machine]:
            message = f"machine `{machine}` has no moment `{timer.since}`"
            advice = did_you_mean(timer.since, MOMENTS[machine])
            yield Problem(code="timer-moment", place=place, message=message, advice=advice)
        if timer.after <= 0:
            message = f"the timer of `{timer.event}` has no delay"
            yield Problem(code="timer-moment", place=place, message=message, advice="write a duration such as `15m`")
        edges = expand(spec).edges
        moving = [edges[state, trigger] for state in timer.states or spec.states if (state, trigger) in edges]
        if moving and not any(edge.moves for edge in moving):
            message = f"the timer of `{timer.event}` never falls due: the event moves none of its states"
            yield Problem(code="timer-idle", place=place, message=message)


def check_timer_cycles(draft: Draft) -> Iterator[Problem]:
    """Check that timers alone never lead a machine through a cycle."""
    leads: dict[str, set[str]] = {}
    places: dict[str, Place] = {}
    pending = [(timer.event, timer.states, f"timers[{index}]") for index, timer in enumerate(draft.timers)]
    seen: set[str] = set()
    for event, states, path in pending:  # the list grows: events that a timer's event raises depend on time too
        if not event_is_known(draft, event):
            continue
        machine, _, trigger = event.partition(".")
        spec = draft.machines[machine]
        edges = expand(spec).edges
        for state in states or spec.states:
            edge = edges.get((state, trigger))
            if edge is None or not edge.moves:
                continue
            leads.setdefault(f"{machine}.{state}", set()).add(f"{machine}.{edge.dest}")
            places.setdefault(f"{machine}.{state}", draft.place(path, "timers"))
            fresh = [raised for raised in edge.raises if raised not in seen]
            seen.update(fresh)
            pending.extend((raised, (), path) for raised in fresh)
    reported: set[str] = set()
    for node in sorted(leads):
        if node not in reported and (way := find_cycle(leads, node)):
            reported.update(way)
            machine = node.partition(".")[0]
            states_ = " -> ".join(f"`{step.partition('.')[2]}`" for step in (node, *way))
            message = f"timers alone lead machine `{machine}` through a cycle: {states_}"
            yield Problem(code="timer-loop", place=places[node], message=message)

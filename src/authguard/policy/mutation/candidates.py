"""Candidates for a scenario that notices a mutant: where to start, what happens, and what to ask.

Each is a scenario without expectations, from the most telling to the most general. Most candidates of a mutant show no
difference; `authguard.policy.mutation.proposal` tries them. `watch` names a machine whose state is expected at the end.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from authguard.core.events import MACHINES
from authguard.core.extra_dimensions import OPERATION
from authguard.policy.mutation.equivalence import find_differing_cells
from authguard.policy.mutation.setting_candidates import fallback_candidates, setting_candidates
from authguard.policy.schema.units import format_duration
from authguard.policy.testing.reply_detail import DETAILS
from authguard.policy.testing.scenario import DEFAULT_CONDITIONS, DEFAULT_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.policy.mutation.mutant import Mutant
    from authguard.policy.mutation.scenario_text import PlainScenario
    from authguard.policy.mutation.trial import Original

#: most candidates of one mutant
MAX_CANDIDATES: Final = 400
#: states in which other machines do not hide a difference
_USABLE: Final = {"account": "normal", "session": "active", "verification": "verified"}


def find_candidates(original: Original, mutant: Mutant, mutated: Policy) -> Iterator[PlainScenario]:
    """Yield scenarios without expectations, at most `MAX_CANDIDATES`.

    Args:
        original: the policy.
        mutant: a change of it.
        mutated: the policy with the change.
    """
    yield from islice(_candidates(original, mutant, mutated), MAX_CANDIDATES)


def _candidates(original: Original, mutant: Mutant, mutated: Policy) -> Iterator[PlainScenario]:
    match mutant.path[0]:
        case "machines":
            yield from _for_transition(original, mutant)
        case "timers":
            yield from _for_timer(original, mutant)
        case "decisions":
            yield from _for_rule(original, mutant, mutated)
        case "fallbacks":
            fallback = original.policy.fallbacks[str(mutant.path[1])]
            yield from fallback_candidates(original.policy, fallback, _detail_of(mutant))
        case _:
            yield from setting_candidates(original, mutant)


def _detail_of(mutant: Mutant) -> str:
    """Return the detail of a reply that a mutant of a fallback changes; empty for none."""
    key = str(mutant.path[2])
    return key if key in DETAILS else ""


def _for_transition(original: Original, mutant: Mutant) -> Iterator[PlainScenario]:
    machine, index = str(mutant.path[1]), mutant.path[3]
    for (source, trigger), edge in original.policy.machines[machine].table.items():
        if edge.line == index:
            event = f"{machine}.{trigger}"
            for watched in (machine, *(raised.partition(".")[0] for raised in edge.raises)):
                for given in (_states(original.policy, {machine: source}), {machine: source}):
                    yield {
                        "name": f"{event} in the state {source} leads to {edge.dest}, watched at {watched}",
                        "given": given,
                        "steps": [{"when": [event]}],
                        "watch": watched,
                    }


def _for_timer(original: Original, mutant: Mutant) -> Iterator[PlainScenario]:
    timer = original.policy.timers.declared[int(mutant.path[1])]
    machine = timer.event.partition(".")[0]
    for state in timer.states or original.policy.machines[machine].spec.states:
        yield {
            "name": f"{timer.event} is due {format_duration(timer.after)} after {timer.since} in the state {state}",
            "given": _states(original.policy, {machine: state}),
            "steps": [{"after": format_duration(timer.after)}],
            "watch": machine,
        }


def _for_rule(original: Original, mutant: Mutant, mutated: Policy) -> Iterator[PlainScenario]:
    for cell in find_differing_cells(original.policy, mutated) or ():
        known = dict(zip(original.policy.table.values, cell, strict=True))
        for name, asked in _requests(original.policy, known):
            unusual = {key: known[key] for key, usual in DEFAULT_CONDITIONS.items() if known[key] != usual}
            yield {
                "name": f"{mutant.where} decides {name} ({', '.join(unusual.values()) or 'nothing unusual'})",
                "given": _states(original.policy, {machine: known[machine] for machine in MACHINES}),
                "steps": [{"ask": {**asked, **unusual}}],
            }


def _requests(policy: Policy, known: dict[str, str]) -> Iterator[tuple[str, dict[str, Any]]]:
    risk, effect = known["risk"], known["effect"]
    named = [one.name for one in policy.all_operations if (one.risk, one.effect) == (risk, effect)]
    if known.get(OPERATION) in named:
        named = [known[OPERATION]]
    yield from ((name, {"operation": name}) for name in named)
    if not named:
        yield f"{risk} {effect}", {"risk": risk, "effect": effect}


def _states(policy: Policy, chosen: dict[str, str]) -> dict[str, str]:
    """Return the states of a scenario: chosen ones, and others in which a request is admitted."""
    usual = {**policy.initial, **DEFAULT_STATES}
    states = {**_USABLE, **chosen}
    return {machine: state for machine, state in states.items() if state != usual[machine] or machine in chosen}

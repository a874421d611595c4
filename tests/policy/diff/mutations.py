"""Small random changes of a policy, of every part that a request depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from authguard.core.decision_table import CONDITIONS
from authguard.core.events import MACHINES
from authguard.core.machine import expand

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from authguard.policy.draft import Draft

    Change = Callable[[Random, Draft], Draft]


def _rule(random: Random, draft: Draft) -> Draft:
    rules = list(draft.rules)
    index = random.randrange(len(rules))
    rule = rules[index]
    kind = random.randrange(4)
    if kind == 0:
        rules[index] = replace(rule, do=random.choice(["allow", *sorted(draft.fallbacks)]))
    elif kind == 1 and rule.when:
        gone = random.choice(sorted(rule.when))
        rules[index] = replace(rule, when={name: values for name, values in rule.when.items() if name != gone})
    elif kind == 2:
        name = random.choice(sorted(CONDITIONS))
        rules[index] = replace(rule, when={**rule.when, name: frozenset(random.sample(CONDITIONS[name], 1))})
    else:
        other = random.randrange(len(rules) - 1)
        rules.insert(other, rules.pop(index))
    return replace(draft, rules=tuple(replace(one, index=place) for place, one in enumerate(rules)))


def _operation(random: Random, draft: Draft) -> Draft:
    listed = list(draft.operations)
    index = random.randrange(len(listed))
    one = listed[index]
    scopes = sorted(frozenset[str]().union(*(other.scopes for other in listed)))
    changes: list[dict[str, Any]] = [
        {"risk": random.choice(CONDITIONS["risk"])},
        {"effect": random.choice(CONDITIONS["effect"])},
        {"scopes": frozenset(random.sample(scopes, random.randint(0, min(2, len(scopes)))))},
        {"acr": random.choice(["", *draft.assurance.order])},
        {"max_age": random.choice((0.0, 60.0, 300.0, 3_600.0, 86_400.0))},
        {"actor": random.choice(("any", "required", "forbidden"))},
        {"idempotency": not one.idempotency},
    ]
    listed[index] = replace(one, **random.choice(changes))
    return replace(draft, operations=tuple(listed))


def _limit(random: Random, draft: Draft) -> Draft:
    listed = list(draft.operations)
    index = random.randrange(len(listed))
    limits = list(listed[index].limits)
    kind = random.randrange(4)
    if kind == 0 and limits:
        limits.pop(random.randrange(len(limits)))
    elif kind == 1 and limits:
        place = random.randrange(len(limits))
        limit = limits[place]
        scale = random.choice((0.1, 0.5, 2, 10))
        if limit.calls:
            limits[place] = replace(limit, calls=max(1, int(limit.calls * scale)))
        else:
            limits[place] = replace(limit, amount=str(max(1, int(float(limit.amount) * scale))))
    elif kind == 2 and limits:
        place = random.randrange(len(limits))
        values = {"per": random.choice((60.0, 600.0, 86_400.0)), "by": random.choice(("subject", "session", "client"))}
        limits[place] = replace(limits[place], **values)
    elif limits:
        limit = random.choice(limits)
        limits.append(replace(limit, calls=limit.calls and max(1, limit.calls // 2)))
    limits = [replace(limit, name=f"{listed[index].name}/{place}") for place, limit in enumerate(limits)]
    listed[index] = replace(listed[index], limits=tuple(limits))
    return replace(draft, operations=tuple(listed))


def _route(random: Random, draft: Draft) -> Draft:
    listed = list(draft.operations)
    index = random.randrange(len(listed))
    one = listed[index]
    kind = random.randrange(4)
    if kind == 0:
        listed.pop(index)
    elif kind == 1:
        other = random.randrange(len(listed))
        listed.insert(other, listed.pop(index))
    elif kind == 2:
        methods = ("", "GET", "HEAD", "POST")
        listed[index] = replace(one, match=replace(one.match, method=random.choice(methods)))
    else:
        path = one.match.path
        changed = random.choice(
            (f"{path}/{{more}}", f"{path}/{{more:path}}", path.replace("}", ":path}") if path.endswith("}") else path)
        )
        listed.append(replace(one, name=f"{one.name}_2", match=replace(one.match, path=changed)))
    return replace(draft, operations=tuple(listed))


def _timer(random: Random, draft: Draft) -> Draft:
    listed = list(draft.timers)
    index = random.randrange(len(listed))
    kind = random.randrange(3)
    if kind == 0:
        listed.pop(index)
    elif kind == 1:
        after = listed[index].after * random.choice((0.01, 0.1, 0.5, 2, 10, 100))
        listed[index] = replace(listed[index], after=max(1.0, float(int(after))))
    else:
        timer = random.choice(listed)
        machine, _, trigger = timer.event.partition(".")
        edges = expand(draft.machines[machine]).edges
        movable = [state for state in draft.machines[machine].states if edges[state, trigger].moves]
        listed.append(
            replace(timer, since="entered", after=random.choice((10.0, 60.0, 600.0)), states=(random.choice(movable),))
        )
    return replace(draft, timers=tuple(listed))


def _line(random: Random, draft: Draft) -> Draft:
    name = random.choice(MACHINES)
    spec = draft.machines[name]
    lines = list(spec.lines)
    index = random.randrange(len(lines))
    kind = random.randrange(4)
    if kind == 0 and lines[index].raises:
        lines[index] = replace(lines[index], raises=())
    elif kind == 1:
        lines[index] = replace(lines[index], dest=random.choice((*spec.states, "=")))
    else:
        trigger, source = random.choice(spec.triggers), random.choice(spec.states)
        line = replace(
            lines[0], triggers=(trigger,), sources=(source,), dest=random.choice((*spec.states, "=")), raises=()
        )
        lines.insert(0, line)
    return replace(draft, machines={**draft.machines, name: replace(spec, lines=tuple(lines))})


def _strictness(random: Random, draft: Draft) -> Draft:
    spec = draft.machines["account"]
    states = list(spec.states)
    states.insert(random.randrange(len(states)), states.pop(random.randrange(len(states))))
    return replace(draft, machines={**draft.machines, "account": replace(spec, states=tuple(states))})


def _map(random: Random, draft: Draft) -> Draft:
    listed = list(draft.accounts)
    mapped = [index for index, source in enumerate(listed) if source.map]
    if not mapped:
        return draft
    index = random.choice(mapped)
    states = [state for state in draft.machines["account"].states if state != "unknown"]
    status = random.choice(sorted(listed[index].map))
    listed[index] = replace(listed[index], map={**listed[index].map, status: random.choice(states)})
    return replace(draft, accounts=tuple(listed))


def _fallback(random: Random, draft: Draft) -> Draft:
    name = random.choice(sorted(draft.fallbacks))
    item = draft.fallbacks[name]
    changes: list[dict[str, Any]] = [{"discloses": frozenset({"account"})}]
    if item.attempts:
        changes += [{"attempts": random.choice((1, 2, 5, 50))}, {"per": random.choice((60.0, 900.0, 86_400.0))}]
        changes += [{"then": random.choice(sorted(draft.fallbacks))}]
    return replace(draft, fallbacks={**draft.fallbacks, name: replace(item, **random.choice(changes))})


def _setting(random: Random, draft: Draft) -> Draft:
    choices: list[dict[str, Any]] = [
        {"identity": random.choice(("", *draft.assurance.order))},
        {"admits_unnamed": not draft.admits_unnamed},
        {"agents": frozenset(random.sample(sorted(draft.agents), len(draft.agents) // 2))},
        {
            "agents": draft.agents | {next(iter(draft.agents))._replace(client="stranger")}
            if draft.agents
            else draft.agents
        },
        {"agents": frozenset(one._replace(alone=not one.alone) for one in draft.agents)},
        {"transactions": replace(draft.transactions, response_retention=random.choice((60.0, 86_400.0)))},
    ]
    trusts = dict(draft.channels.trusts)
    if trusts:
        name = random.choice(sorted(trusts))
        trusts[name] = frozenset(random.sample(sorted(trusts), random.randint(0, len(trusts))))
        choices.append({"channels": replace(draft.channels, trusts=trusts)})
    if draft.assurance.order:
        level = random.choice(draft.assurance.order)
        acr = random.choice([*draft.assurance.map, "urn:other"])
        choices.append({"assurance": replace(draft.assurance, map={**draft.assurance.map, acr: level})})
    return replace(draft, **random.choice(choices))


CHANGES: tuple[Change, ...] = (
    *(_rule, _operation, _limit, _route, _timer, _line, _strictness, _map, _fallback, _setting),
)


def mutate(random: Random, draft: Draft) -> tuple[str, Draft]:
    """Return a changed policy, and what kind of change it is."""
    change = random.choice(CHANGES)
    return change.__name__, change(random, draft)

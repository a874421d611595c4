"""Oracles: what must hold of every walk, whatever its policy, as the checker and the pages promise it.

Each returns findings; none knows a policy by name. An oracle derives nothing that it judges from the part it judges:
requirements of operations are compared with the claims that were sent, states with the log alone, cells with the table.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from authguard.asgi.endpoints import own_operations
from authguard.audit.query.index import open_index
from authguard.audit.query.replay import Replay, replay
from authguard.core.decision_table import DIMENSIONS
from authguard.core.events import MACHINES
from authguard.core.outcomes import ADMITTING, Reason
from authguard.errors import MachineFaultError
from authguard.policy.checks.event_sources import possible_events
from authguard.policy.explain.explainer import explain_decision
from authguard.records.chain import GENESIS, format_line
from tests.campaign.cells import read_values, whole_cells
from tests.campaign.world import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from authguard.audit.query.replay_result import ReplayedDecision, ReplayResult
    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.records.entries import DecisionEntry, Entry, TransitionEntry
    from tests.campaign.reading import Accepted
    from tests.campaign.world import Seen

ADMITTED: Final = frozenset(outcome.value for outcome in ADMITTING)
LIVE: Final = frozenset({"active", "idle"})
#: machines of one session
PAIRED: Final = frozenset({"session", "verification"})
#: longest chain of `then` that is followed
MAX_THEN: Final = 10


class Finding(Struct, frozen=True):
    """A difference between two of checker, scenarios, replay, diff, explain and run time.

    Attributes:
        oracle: its name.
        words: what differs.
        at: index of the action.
    """

    oracle: str
    words: str
    at: int = 0


def find_faults(seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find faults of the guard: an accepted policy never brings one."""
    for place, one in enumerate(seen):
        for fault in one.faults:
            yield Finding("fault", f"{fault.where}: {fault.error} ({fault.reason}) for `{fault.operation}`", place)
        if one.status >= 500 and not one.decisions and not one.ran:
            yield Finding("fault", f"status {one.status} without a decision", place)


def find_wrong_cells(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find decisions that the table does not give for their recorded cell."""
    for place, one in enumerate(seen):
        for decision in one.decisions:
            try:
                found = [policy.table.find(cell)[0] for cell in whole_cells(policy, decision)]
            except MachineFaultError as error:
                yield Finding("cell", f"no rule decides {decision.cell}: {error}", place)
                continue
            rule = found[0]
            if {one.name for one in found} != {rule.name}:
                yield Finding("cell", f"a condition was not asked, and decides: {decision}", place)
            names = [rule.do]
            while decision.reason == Reason.ATTEMPTS_SPENT.code and policy.fallbacks[names[-1]].then:
                names.append(policy.fallbacks[names[-1]].then)
                if len(names) > MAX_THEN:
                    break
            fallback = policy.fallbacks.get(decision.fallback)
            if rule.name != decision.rule or decision.fallback not in names:
                yield Finding(
                    "cell", f"`{decision.fallback}` by {decision.rule} for {decision.cell}, not {names}", place
                )
            elif fallback is None or fallback.kind.value != decision.outcome:
                yield Finding("cell", f"`{decision.fallback}` is no `{decision.outcome}`", place)
        admits = any(decision.outcome in ADMITTED for decision in one.decisions)
        if one.ran and not admits:
            yield Finding("cell", f"`{one.ran}` ran without an admission in the log", place)


def find_broken_invariants(accepted: Accepted, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find decisions that a `never` forbids."""
    nevers = [one for one in accepted.draft.invariants if one.never]
    for place, one in enumerate(seen):
        for decision in one.decisions:
            values = read_values(accepted.policy, decision)
            values |= {"outcome": decision.outcome, "fallback": decision.fallback}
            for invariant in nevers:
                if all(values.get(name) in forbidden for name, forbidden in invariant.never.items()):
                    yield Finding(
                        "never", f"`{invariant.name}` is broken by {decision.cell}: {decision.outcome}", place
                    )


def find_unmet_needs(accepted: Accepted, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find operations that ran although the token lacked what the operation requires."""
    policy = accepted.policy
    operations = {one.name: one for one in policy.all_operations}
    for place, one in enumerate(seen):
        operation = operations.get(one.ran)
        if operation is None or operation.risk == "public":
            continue
        for lack in _lacks(policy, operation, one.claims):
            yield Finding("need", f"`{one.ran}` ran without {lack}", place)


def _lacks(policy: Policy, operation: Operation, claims: dict[str, Any]) -> Iterator[str]:
    if not claims:
        yield "a token"
        return
    scopes = set(str(claims.get("scope", "chat read pay")).split())
    if missing := operation.scopes - scopes:
        yield f"the scopes {sorted(missing)}"
    acr = str(claims.get("acr", "aal2"))
    if operation.acr and policy.assurance.rank(acr) < policy.assurance.rank(operation.acr):
        yield f"the level {operation.acr}: it has {acr}"
    roles = set(claims.get("roles", ()))
    if operation.roles and not roles & operation.roles:
        yield f"a role of {sorted(operation.roles)}"
    if operation.actor == "forbidden" and "act" in claims:
        yield "the subject in person"


def find_gaps_of_log(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find states in cells, and sources of transitions, that no recorded transition led to."""
    states: dict[tuple[str, str], str] = {}
    for place, one in enumerate(seen):
        known = {key: {state} for key, state in states.items()}
        for entry in one.moves:
            key = (entry.machine, _record_key(entry, entry.machine))
            last = states.get(key, policy.initial[entry.machine])
            if entry.source != last:
                words = f"{entry.machine} of {key[1][:8]} left `{entry.source}` by {entry.event}, and was `{last}`"
                yield Finding("log", words, place)
            states[key] = entry.dest
            known.setdefault(key, {last}).add(entry.dest)
        for decision in one.decisions:
            for machine, state in zip(MACHINES, decision.cell, strict=False):
                key = (machine, _record_key(decision, machine))
                named = key[1] or machine == "service"
                if named and state not in known.get(key, {policy.initial[machine]}):
                    yield Finding("log", f"the cell has {machine} `{state}`, which no transition led to", place)


def _record_key(entry: DecisionEntry | TransitionEntry, machine: str) -> str:
    if machine == "service":
        return ""
    if machine == "account":
        return entry.subject
    return entry.transaction if machine == "transaction" else entry.session


def find_impossible_steps(accepted: Accepted, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find transitions that the checker holds for impossible: every state seen is then one that it calls reachable."""
    moves = possible_events(accepted.draft)
    machines = accepted.policy.machines
    for place, one in enumerate(seen):
        raised: set[str] = set()
        for entry in one.moves:
            event = f"{entry.machine}.{entry.event}"
            edge = machines[entry.machine].table[entry.source, entry.event]
            known = moves[entry.machine, entry.source]
            is_possible = any(move.event == event and move.edge.dest == entry.dest for move in known)
            if not is_possible and event not in raised:
                words = f"{event}: {entry.source} -> {entry.dest} by {entry.cause}, which the checker excludes"
                yield Finding("reachable", words, place)
            raised.update(edge.raises)


def find_wrong_owners(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find raised events that moved a record of somebody else, or left a session of their account as it was."""
    openers: dict[str, DecisionEntry] = {}
    revoked: dict[str, float] = {}
    for place, one in enumerate(seen):
        signed_in = one.claims.get("auth_time")
        for decision in one.decisions:
            if decision.transaction:
                openers.setdefault(decision.transaction, decision)
            since = revoked.get(decision.subject, 0.0)
            if since and signed_in and signed_in < since and decision.cell[MACHINES.index("session")] in LIVE:
                yield Finding("owner", f"`{decision.operation}` in a session that the account's event ended", place)
        for entry in one.moves:
            opener = openers.get(entry.transaction) if entry.machine == "transaction" else None
            raises = policy.machines[entry.machine].table[entry.source, entry.event].raises
            if entry.machine == "account":
                if "session.revoked" in raises:
                    revoked[entry.subject] = max(entry.at, revoked.get(entry.subject, 0.0))
                continue
            for event in raises:
                if not _moves_own(event, opener or entry, one):
                    words = f"{entry.machine}.{entry.event} raised {event} in the record of somebody else"
                    yield Finding("owner", words, place)


def _moves_own(event: str, owner: DecisionEntry | TransitionEntry, seen: Seen) -> bool:
    """Return whether an event that was raised moved the account or session of its owner alone."""
    moved = [other for other in seen.transitions if f"{other.machine}.{other.event}" == event]
    if event.startswith("account."):
        return all(other.subject == owner.subject for other in moved)
    return all(other.session == owner.session for other in moved)


def find_lost_raises(policy: Policy, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find transitions of a session that raised an event in the same session, which moved nothing and had to."""
    states: dict[tuple[str, str], str] = {}
    for place, one in enumerate(seen):
        moved = {(entry.machine, entry.session) for entry in one.transitions}
        for entry in one.moves:
            if entry.machine not in PAIRED or entry.cause == "timer":
                continue
            for event in policy.machines[entry.machine].table[entry.source, entry.event].raises:
                machine, _, trigger = event.partition(".")
                key = (machine, entry.session)
                stood = states.get(key, policy.initial[machine])
                if machine in PAIRED and key not in moved and policy.machines[machine].table[stood, trigger].moves:
                    yield Finding("owner", f"{entry.machine}.{entry.event} raised {event}, which was lost", place)
        for entry in one.transitions:
            states[entry.machine, entry.session] = entry.dest


def find_wrong_channels(accepted: Accepted, seen: Sequence[Seen]) -> Iterator[Finding]:
    """Find decisions that hold an undeclared channel for a known one."""
    channels = accepted.document.get("channels")
    if not channels:
        return
    for place, one in enumerate(seen):
        values = one.action.values if "header" in channels["from"] else one.claims
        known = values.get("channel", "") in channels["trusts"]
        for decision in one.decisions:
            found = decision.cell[DIMENSIONS.index("channel_change")]
            if decision.subject and not known and found != "unknown":
                yield Finding("channel", f"`{found}` for a request without a declared channel", place)


def find_wrong_explanations(policy: Policy, seen: Sequence[Seen], *, most: int = 2) -> Iterator[Finding]:
    """Find decisions that `policy explain` explains by another rule or outcome; the last different cells are tried."""
    decided: dict[tuple[str, ...], tuple[int, DecisionEntry]] = {}
    for place, one in enumerate(seen):
        for decision in one.decisions:
            if decision.operation in {known.name for known in policy.all_operations}:
                decided[*decision.cell, *decision.context.values(), decision.operation] = place, decision
    for place, decision in list(decided.values())[-most:]:
        found = explain_decision(policy, read_values(policy, decision), decision.operation, steps=2_000)
        if found.rule != decision.rule:
            yield Finding("explain", f"explained by {found.rule}, decided by {decision.rule}", place)


def write_log(path: Path, entries: Sequence[Entry]) -> None:
    """Write the entries of a run as a chain."""
    lines, head = [], GENESIS
    for seq, entry in enumerate(entries):
        line, head = format_line(entry, seq, head)
        lines.append(line)
    path.write_bytes(b"".join(lines))


def replay_log(path: Path, policy: Policy) -> ReplayResult:
    """Replay a log under a policy."""
    with open_index(path, fresh=True) as index:
        return replay(index, policy, own_operations(PREFIX))


def find_replay_differences(policy: Policy, log: Path) -> Iterator[Finding]:
    """Find what a replay under the same policy holds for different."""
    found = replay_log(log, policy)
    for one in found.differences:
        yield Finding("replay", f"under the same policy: {one.operation}: {one.fallback_was} -> {one.fallback_now}")
    for transition, dest in found.changed_transitions:
        yield Finding("replay", f"under the same policy: {transition}, now {dest}")
    for unknown in found.undetermined:
        yield Finding("replay", f"under the same policy: undetermined: {unknown.operation}: {unknown.why}")


def replay_decisions(path: Path, policy: Policy) -> dict[str, tuple[tuple[str, str], ReplayedDecision]]:
    """Return decision -> its recorded outcome and fallback, and what a replay says of it."""
    with open_index(path, fresh=True) as index:
        run = Replay(index, policy, own_operations(PREFIX))
        return {one.id: ((one.outcome, one.fallback), found) for one, found in run.decide_records(math.inf)}


def describe(one: Seen) -> str:
    """Return one line about a step of a walk, for people."""
    said = ", ".join(f"{d.operation}: {d.outcome} ({d.fallback}, {d.rule}, {'/'.join(d.cell)})" for d in one.decisions)
    moved = ", ".join(f"{t.machine}.{t.event}: {t.source} -> {t.dest}" for t in one.transitions)
    values = json.dumps(one.action.values)
    return f"{one.action.kind} {one.action.who} {one.action.sid} {values} => {one.status} {one.ran} [{said}] [{moved}]"

"""Records that a scenario supposes: those of the given states, and those of a customer who stays present."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from authguard.core.approvers import count_places
from authguard.core.snapshot import STATE_FIELDS, Approval, Report, blank
from authguard.errors import MachineFaultError
from authguard.evaluation import booking
from authguard.evaluation.approval import add_approvals
from authguard.evaluation.driver import Evaluation
from authguard.policy.testing.deployment import find_sources
from authguard.policy.testing.records import states_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy
    from authguard.core.snapshot import Keys, SessionRecord, Snapshot, TransactionRecord
    from authguard.evaluation.request import RequestFacts

#: seconds between two events of one moment, so that each is later than the one before
TICK_S: Final = 0.001


def build_given(policy: Policy, given: Mapping[str, str], keys: Keys, now: float) -> Snapshot:
    """Return the records of the given states, with every moment (entered, seen, signed in, reported) set to now.

    Args:
        policy: as deployed.
        given: machine -> state.
        keys: of the customer's account and session.
        now: epoch seconds UTC.

    Returns:
        The records. One whose machines are all in their initial states is unknown, as before a first request. A
            transaction belongs to no request yet.

    Raises:
        MachineFaultError: a machine does not have the given state.
    """
    for machine, state in given.items():
        if state not in policy.machines[machine].spec.states:
            raise MachineFaultError(f"machine `{machine}` has no state `{state}`")
    moved = [machine for machine, state in given.items() if state != policy.initial[machine]]
    found = blank(policy.initial)
    for machine in moved:
        record, field, entered = STATE_FIELDS[machine]
        changed: Any = replace(getattr(found, record), **{field: given[machine], entered: now})
        found = replace(found, **{record: changed})
    if "service" in moved:
        found = replace(found, service=replace(found.service, faulted=now))
    if "account" in moved:
        source = next(iter(find_sources(policy, found.account.state)), "")
        reports = {source: Report(found.account.state, now)} if source else None
        found = replace(found, account=replace(found.account, reported=now, reports=reports))
    if "transaction" in moved:
        # requested just after the session began, or the end of the session would void it
        created = now + TICK_S
        held = replace(
            found.transaction, account=keys.account, session=keys.session, created=created, count=1, version=1
        )
        found = replace(found, transaction=held)
    return replace(found, session=_begin_session(policy, given, moved, found.session, keys, now))


def approve_as_held(policy: Policy, stored: Snapshot, held: TransactionRecord, facts: RequestFacts) -> Snapshot:
    """Return records in which operators have approved a transaction that waits for whom a hold asks for.

    Args:
        policy: as deployed.
        stored: with the given transaction, which nobody has approved yet.
        held: the transaction as the request holds it, if it is new.
        facts: of the request.
    """
    given, machine = stored.transaction, policy.machines["transaction"]
    edges = ((state, machine.table[state, "approved"]) for state in machine.spec.states)
    waiting = next((state for state, edge in edges if edge.moves and edge.dest == given.state), given.state)
    names = ("hold", "approvers", "costs", "tripped", "ledgers")
    asked: Any = {name: getattr(held, name) for name in names}
    before = replace(stored, transaction=replace(given, state=waiting, **asked))
    evaluation = Evaluation(policy, before, facts.now, facts.keys)
    over = tuple(sorted(booking.known_limits(policy, before.transaction)))
    count = count_places(before.transaction.required)
    added = [Approval(b"", f"approver {number}", facts.now, "", over) for number in range(count)]
    add_approvals(evaluation, facts.keys.transaction, (), added, "operator")
    after = evaluation.snapshot
    return replace(after, transaction=replace(after.transaction, entered=given.entered))


def _begin_session(  # noqa: PLR0917 - the parts of a session
    policy: Policy, given: Mapping[str, str], moved: list[str], session: SessionRecord, keys: Keys, now: float
) -> SessionRecord:
    machine = policy.machines["session"]
    if "session" in moved:
        revoked = {machine.table[state, "revoked"].dest for state in machine.spec.states}
        ended = now if given["session"] in revoked else 0.0
        session = replace(session, signed_in=now, last_seen=now, account=keys.account, ended=ended)
    if "verification" in moved:
        home = next(iter(policy.channels.trusts), "") if policy.channels.declared else ""
        session = replace(session, channel=home, account=keys.account)
    return session


def find_due(policy: Policy, snapshot: Snapshot, event: str) -> tuple[float | None, str]:
    """Return when a timer's event falls due, and the moment that it counts from; ``None`` if it never does.

    Args:
        policy: with the timers.
        snapshot: the stored records.
        event: ``machine.trigger``.
    """
    machine = event.partition(".")[0]
    found: tuple[float | None, str] = (None, "")
    for timer in policy.timers.armed.get((machine, states_of(snapshot)[machine]), ()):
        moment = getattr(getattr(snapshot, timer.record), timer.moment)
        if timer.event == event and moment and (found[0] is None or moment + timer.after < found[0]):
            found = (moment + timer.after, timer.moment)
    return found


def stay_present(policy: Policy, snapshot: Snapshot, at: float, moment: str) -> Snapshot:
    """Return records in which requests and reports were repeated until a time.

    Args:
        policy: with the states that idle.
        snapshot: the stored records.
        at: epoch seconds UTC.
        moment: the one that is not renewed, since a timer counts from it.
    """
    session, account = snapshot.session, snapshot.account
    if session.version and moment != "last_seen" and session.state in policy.idle_session_states:
        session = replace(session, last_seen=max(session.last_seen, at))
    if account.version and moment != "reported" and account.reports:
        reports = {name: replace(one, at=max(one.at, at)) for name, one in account.reports.items()}
        account = replace(account, reported=max(account.reported, at), reports=reports)
    return replace(snapshot, session=session, account=account)

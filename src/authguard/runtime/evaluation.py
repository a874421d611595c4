"""One request's walk through the machines: what is known becomes events, in the order that DESIGN 2 gives.

Pure: everything comes in as values, the time too. The order of the functions below is the order in which they run:
timers, credential, account reports, channel, timers again; the decision and its own events are the enforcer's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core import conditions
from authguard.core.events import Event
from authguard.core.machine import Transition, step
from authguard.core.request import Proven
from authguard.core.snapshot import EMPTY_LEDGER, STATE_FIELDS, Report, Snapshot
from authguard.core.staff import parse_roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Credential, Principal
    from authguard.core.snapshot import LedgerEntry
    from authguard.policy.compiled_policy import Policy

#: the source under which reports of the app itself are kept
APP: Final = "app"
#: the source where the policy declares that there are no accounts to ask
NO_SOURCE: Final = "none"
#: events after which nothing that the session waited for may run
ENDING_EVENTS: Final = frozenset({"revoked", "ended"})


class Evaluation:
    """Where the machines stand while one request is being judged, and what has happened so far."""

    __slots__ = ("events", "now", "policy", "snapshot", "transitions")

    def __init__(self, policy: Policy, snapshot: Snapshot, now: float) -> None:
        """Begin from what the store holds."""
        self.policy = policy
        self.snapshot = snapshot
        self.now = now
        self.events: list[str] = []
        self.transitions: list[Transition] = []

    def send(self, name: str, cause: str, moments: tuple[tuple[str, float], ...] = ()) -> bool:
        """Let one event happen now; tell whether its machine moved."""
        self.events.append(name)
        event = Event(name=name, at=self.now, cause=cause, moments=moments)
        self.snapshot, transitions = step(self.policy.machines, self.snapshot, event)
        self.transitions.extend(transitions)
        if any(moved.machine == "session" and moved.event in ENDING_EVENTS for moved in transitions):
            self.update_record("session", ended=max(self.snapshot.session.ended, self.now))
        return bool(transitions)

    def can(self, name: str) -> bool:
        """Tell whether an event would move its machine from where it stands."""
        machine, _, trigger = name.partition(".")
        record, field, _ = STATE_FIELDS[machine]
        state = getattr(getattr(self.snapshot, record), field)
        return self.policy.machines[machine].table[state, trigger].moves

    def update_record(self, record: str, **fields: object) -> None:
        """Change fields of a record that belong to no machine (ledgers, tallies, reports)."""
        changed = msgspec.structs.replace(getattr(self.snapshot, record), **fields)
        self.snapshot = msgspec.structs.replace(self.snapshot, **{record: changed})

    def update_ledger(self, key: bytes, ledger: tuple[LedgerEntry, ...]) -> None:
        """Replace what a ledger of its own holds."""
        record = msgspec.structs.replace(self.snapshot.ledgers.get(key, EMPTY_LEDGER), ledger=ledger)
        self.snapshot = msgspec.structs.replace(self.snapshot, ledgers={**self.snapshot.ledgers, key: record})

    def run_timers(self) -> None:
        """Let every timer happen that is due."""
        self.snapshot, transitions = self.policy.timers.fire_due(self.policy.machines, self.snapshot, self.now)
        for transition in transitions:
            if transition.cause == "timer":
                self.events.append(f"{transition.machine}.{transition.event}")
        self.transitions.extend(transitions)


def end_session(evaluation: Evaluation, event: str, cause: str) -> None:
    """End the session, or end it once more: what was signed in between the two is void as well."""
    if not evaluation.send(event, cause):
        session = evaluation.snapshot.session
        evaluation.update_record(
            "session", entered=max(session.entered, evaluation.now), ended=max(session.ended, evaluation.now)
        )


def authenticated_at(policy: Policy, principal: Principal) -> float:
    """Tell when the person authenticated, by what the issuer's policy takes as proof; 0 where nothing proves it."""
    if policy.issuers[principal.issuer].renewal == "auth_time":
        return principal.auth_time
    return principal.issued_at


def is_fresh(policy: Policy, principal: Principal, snapshot: Snapshot) -> bool:
    """Whether the person authenticated after the session's state began, in a sign-in not counted before.

    Strictly later on both counts: the sign-in that the session already knows never revives it, whatever the clocks say.
    """
    if policy.issuers[principal.issuer].renewal == "sid":
        return False  # a fresh sign-in is a new `sid`, hence another session
    proof = authenticated_at(policy, principal)
    return proof > snapshot.session.entered and proof > snapshot.session.signed_in


def is_signed_out(policy: Policy, credential: Credential, snapshot: Snapshot) -> bool:
    """Return whether a credential is of a sign-in that a sign-out ended, in a session that a later sign-in began again.

    Such a credential neither continues the later sign-in nor ends it: it proves nobody.
    """
    session = snapshot.session
    if not isinstance(credential, Proven) or not session.version:
        return False
    out = max(session.ended, snapshot.account.not_before)
    return session.signed_in > out >= authenticated_at(policy, credential.principal)


def apply_credential(evaluation: Evaluation, principal: Principal, *, acts: bool) -> bool:
    """Let a proven credential move its session.

    Args:
        evaluation: of this request.
        principal: proven; nothing unproven comes here.
        acts: whether the subject acts, and no agent: only then is the person present (NIST SP 800-63B-4 5.1.2).

    Returns:
        Whether this sign-in is met for the first time, so that it may prove what it has not proved yet.
    """
    session, account, policy = evaluation.snapshot.session, evaluation.snapshot.account, evaluation.policy
    proof = authenticated_at(policy, principal)
    if account.not_before and (proof <= account.not_before or _seen_before_cutoff(evaluation.snapshot, proof)):
        evaluation.send("session.revoked", "credential")
        return False
    if session.version and is_fresh(policy, principal, evaluation.snapshot):
        moments = (("signed_in", proof), ("last_seen", evaluation.now if acts else proof))
        evaluation.send("session.renewed", "credential", moments)
        evaluation.update_record("session", account=principal.account_key)
        return True
    if not session.version:
        signed_in = principal.auth_time or evaluation.now
        moments = (("signed_in", signed_in), ("last_seen", evaluation.now if acts else signed_in))
        evaluation.send("session.accepted", "credential", moments)
        evaluation.update_record("session", account=principal.account_key)
        return True
    if evaluation.can("session.accepted"):
        evaluation.send("session.accepted", "credential")
    else:
        evaluation.events.append("session.accepted")
        if (
            acts
            and evaluation.now - session.last_seen > policy.last_seen_tolerance
            and policy.has_idle_timer(session.state)
        ):
            evaluation.update_record("session", last_seen=evaluation.now)
    return False


def apply_roles(evaluation: Evaluation, principal: Principal) -> None:
    """Keep which roles the newest credential names, so that an approver who lost theirs no longer counts.

    Its time is kept though it names the same as the one before, or an older one that names another would be taken.
    """
    account, issued = evaluation.snapshot.account, principal.issued_at
    named = tuple(sorted(parse_roles(principal, evaluation.policy.staff_claim, evaluation.policy.staff_issuers)))
    if issued > account.roles_at or (issued == account.roles_at and named != account.roles):
        evaluation.update_record("account", roles=named, roles_at=issued)


def _seen_before_cutoff(snapshot: Snapshot, proof: float) -> bool:
    """Whether the session knew this sign-in before the account's ``not_before``, though an issuer's clock is ahead."""
    session = snapshot.session
    return bool(session.version) and session.entered <= snapshot.account.not_before and proof <= session.signed_in


def apply_reports(evaluation: Evaluation, said: Mapping[str, Report], *, unreachable: bool) -> None:
    """Keep what the sources say of the account, and raise the strictest of their last reports.

    Args:
        evaluation: of this request.
        said: source -> report. An older report than the kept one, or than a person's decision, changes nothing.
        unreachable: whether a directory gave no answer.
    """
    account = evaluation.snapshot.account
    kept = account.reports or {}
    if not evaluation.policy.accounts and (NO_SOURCE not in kept or evaluation.can("account.normal")):
        said = {**said, NO_SOURCE: Report("normal", evaluation.now)}
    rank = evaluation.policy.strictness
    newer = {
        source: report
        for source, report in said.items()
        if report.at > account.decided and _is_newer_report(report, kept.get(source), rank)
    }
    if unreachable:
        evaluation.send("account.unreachable", "directory")
    if not newer:
        return
    reports = {source: report for source, report in kept.items() if report.at > account.decided} | newer
    strictest = max(reports.values(), key=lambda report: rank[report.state])
    evaluation.update_record("account", reports=reports)
    newest = max(report.at for report in reports.values())
    # who holds the state is told, and not who spoke last: the newest word may have been a laxer one
    holders = (source for source, report in reports.items() if report.state == strictest.state)
    evaluation.send(f"account.{strictest.state}", ",".join(sorted(holders)), (("reported", newest),))


def _is_newer_report(report: Report, last: Report | None, rank: Mapping[str, int]) -> bool:
    if last is None or report.at > last.at:
        return True
    if report.at < last.at or rank[report.state] < rank[last.state]:
        return False
    return rank[report.state] > rank[last.state] or report.delegations != last.delegations


def apply_identity(evaluation: Evaluation, principal: Principal, channel: str) -> None:
    """Let a strong enough sign-in that is met for the first time prove identity itself, where nothing was proven yet.

    A sign-in that is older than the verification's state proves nothing: what aged or moved since wants a new proof.
    Doubt of the person, in whichever session it came up, is not laundered by signing in (`is_in_doubt`).
    """
    policy, session = evaluation.policy, evaluation.snapshot.session
    if not policy.identity or session.verification != policy.initial["verification"]:
        return
    if policy.assurance.rank(principal.acr) < policy.assurance.rank(policy.identity):
        return
    if authenticated_at(policy, principal) <= session.verification_entered:
        return
    evaluation.send("verification.started", "credential")
    if evaluation.send("verification.passed", "credential"):
        evaluation.update_record("session", channel=channel)


def apply_channel(evaluation: Evaluation, current: str) -> str:
    """Compare the channel with where trust was earned, and let the trust lapse where it does not carry.

    Returns:
        The condition ``channel``.
    """
    channels = evaluation.policy.channels
    if not channels.declared:
        return "same"
    condition = conditions.compare_channel(current, evaluation.snapshot.session.channel, channels.trusts)
    if condition == "switched":
        evaluation.send("verification.moved", "channel")
    return condition

"""Evaluation of one request: turns facts into events of the state machines, in the order that DESIGN 2 defines.

Pure: all input is values, including the time. The functions below are in the order in which they run: timers,
credential, account reports, channel, timers again. `runtime.decision_point` then sends the events of the decision.
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

#: source name of the app's reports
APP_SOURCE: Final = "app"
#: source name if the policy declares no account source
NO_SOURCE: Final = "none"
#: events that void the transactions held for the session
ENDING_EVENTS: Final = frozenset({"revoked", "ended"})


class Evaluation:
    """The state of one evaluation: the snapshot so far, the events sent and the transitions made."""

    __slots__ = ("events", "now", "policy", "snapshot", "transitions")

    def __init__(self, policy: Policy, snapshot: Snapshot, now: float) -> None:
        """Start from the stored snapshot."""
        self.policy = policy
        self.snapshot = snapshot
        self.now = now
        self.events: list[str] = []
        self.transitions: list[Transition] = []

    def send(self, name: str, cause: str, moments: tuple[tuple[str, float], ...] = ()) -> bool:
        """Send an event to its machine at the current time; return whether the machine moved."""
        self.events.append(name)
        event = Event(name=name, at=self.now, cause=cause, moments=moments)
        self.snapshot, transitions = step(self.policy.machines, self.snapshot, event)
        self.transitions.extend(transitions)
        if any(moved.machine == "session" and moved.event in ENDING_EVENTS for moved in transitions):
            self.update_record("session", ended=max(self.snapshot.session.ended, self.now))
        return bool(transitions)

    def can(self, name: str) -> bool:
        """Return whether an event would move its machine from the current state."""
        machine, _, trigger = name.partition(".")
        record, field, _ = STATE_FIELDS[machine]
        state = getattr(getattr(self.snapshot, record), field)
        return self.policy.machines[machine].table[state, trigger].moves

    def update_record(self, record: str, **fields: object) -> None:
        """Change fields of a record that belong to no machine (ledgers, tallies, reports)."""
        changed = msgspec.structs.replace(getattr(self.snapshot, record), **fields)
        self.snapshot = msgspec.structs.replace(self.snapshot, **{record: changed})

    def update_ledger(self, key: bytes, ledger: tuple[LedgerEntry, ...]) -> None:
        """Replace the entries of a separately stored ledger."""
        record = msgspec.structs.replace(self.snapshot.ledgers.get(key, EMPTY_LEDGER), ledger=ledger)
        self.snapshot = msgspec.structs.replace(self.snapshot, ledgers={**self.snapshot.ledgers, key: record})

    def run_timers(self) -> None:
        """Send the events of all timers that are due."""
        self.snapshot, transitions = self.policy.timers.fire_due(self.policy.machines, self.snapshot, self.now)
        for transition in transitions:
            if transition.cause == "timer":
                self.events.append(f"{transition.machine}.{transition.event}")
        self.transitions.extend(transitions)


def end_session(evaluation: Evaluation, event: str, cause: str) -> None:
    """End the session; if it has ended already, void all sign-ins since then."""
    if not evaluation.send(event, cause):
        session = evaluation.snapshot.session
        evaluation.update_record(
            "session", entered=max(session.entered, evaluation.now), ended=max(session.ended, evaluation.now)
        )


def authenticated_at(policy: Policy, principal: Principal) -> float:
    """Return when the person authenticated, by the claim that the issuer's policy accepts as proof; 0 for none."""
    if policy.issuers[principal.issuer].renewal == "auth_time":
        return principal.auth_time
    return principal.issued_at


def is_fresh(policy: Policy, principal: Principal, snapshot: Snapshot) -> bool:
    """Return whether the person authenticated after the session's state began, in a sign-in not counted before.

    Both comparisons are strict: the sign-in that the session already has never reopens it, whatever the clocks show.
    """
    if policy.issuers[principal.issuer].renewal == "sid":
        return False  # a fresh sign-in is a new `sid`, so another session
    proof = authenticated_at(policy, principal)
    return proof > snapshot.session.entered and proof > snapshot.session.signed_in


def is_signed_out(policy: Policy, credential: Credential, snapshot: Snapshot) -> bool:
    """Return whether a sign-out ended this credential's sign-in, and a later sign-in began the session again.

    Such a credential neither continues the later sign-in nor ends it: it proves no principal.
    """
    session = snapshot.session
    if not isinstance(credential, Proven) or not session.version:
        return False
    ended_at = max(session.ended, snapshot.account.not_before)
    return session.signed_in > ended_at >= authenticated_at(policy, credential.principal)


def apply_credential(evaluation: Evaluation, principal: Principal, *, acts: bool) -> bool:
    """Send the session events of a proven credential.

    Args:
        evaluation: of this request.
        principal: proven.
        acts: whether the subject acts, and no agent: only then is the person present (NIST SP 800-63B-4, section
            5.1.2).

    Returns:
        Whether the session sees this sign-in for the first time, so that it may prove identity.
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
    """Store the roles of the newest credential, so that approvers who lost their role no longer count."""
    # the time is stored even if the roles are the same as the last ones,
    # or an older credential with other roles would count as newer
    account, issued = evaluation.snapshot.account, principal.issued_at
    roles = tuple(sorted(parse_roles(principal, evaluation.policy.role_sources)))
    if issued > account.roles_at or (issued == account.roles_at and roles != account.roles):
        evaluation.update_record("account", roles=roles, roles_at=issued)


def _seen_before_cutoff(snapshot: Snapshot, proof: float) -> bool:
    """Return whether the session had this sign-in before the account's ``not_before``, by a fast issuer clock."""
    session = snapshot.session
    return bool(session.version) and session.entered <= snapshot.account.not_before and proof <= session.signed_in


def apply_reports(evaluation: Evaluation, reports: Mapping[str, Report], *, unreachable: bool) -> None:
    """Store the reports of the account's sources, and send the event of the strictest one.

    Args:
        evaluation: of this request.
        reports: source -> report. A report older than the stored one, or than a person's decision, changes nothing.
        unreachable: whether a directory did not answer.
    """
    account = evaluation.snapshot.account
    stored = account.reports or {}
    if not evaluation.policy.accounts and (NO_SOURCE not in stored or evaluation.can("account.normal")):
        reports = {**reports, NO_SOURCE: Report("normal", evaluation.now)}
    rank = evaluation.policy.strictness
    newer = {
        source: report
        for source, report in reports.items()
        if report.at > account.decided and _is_newer_report(report, stored.get(source), rank)
    }
    if unreachable:
        evaluation.send("account.unreachable", "directory")
    if not newer:
        return
    reports = {source: report for source, report in stored.items() if report.at > account.decided} | newer
    strictest = max(reports.values(), key=lambda report: rank[report.state])
    evaluation.update_record("account", reports=reports)
    newest = max(report.at for report in reports.values())
    # the log names the sources of the strictest state, since the newest report may be a laxer one
    holders = (source for source, report in reports.items() if report.state == strictest.state)
    evaluation.send(f"account.{strictest.state}", ",".join(sorted(holders)), (("reported", newest),))


def _is_newer_report(report: Report, last: Report | None, rank: Mapping[str, int]) -> bool:
    if last is None or report.at > last.at:
        return True
    if report.at < last.at or rank[report.state] < rank[last.state]:
        return False
    return rank[report.state] > rank[last.state] or report.delegations != last.delegations


def apply_identity(evaluation: Evaluation, principal: Principal, channel: str) -> None:
    """Send the verification events of a strong enough new sign-in, if no identity is proven yet."""
    # A sign-in older than the verification's state proves nothing: an aged or changed state needs a new proof.
    # The caller checks for doubt first (`is_in_doubt`): a sign-in does not clear a doubt raised in any session.
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
    """Compare the channel with the verified one, and lapse the verification if the policy does not trust the switch.

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

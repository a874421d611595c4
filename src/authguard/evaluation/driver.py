"""Evaluation of one request: turns facts into events of the state machines, in the order that DESIGN 2 defines.

Pure: all input is values, including the time. The functions below are in the order in which they run: timers,
credential, account reports, channel, timers again. `runtime.decision_point` then sends the events of the decision.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core import conditions
from authguard.core.events import NORMAL, Event
from authguard.core.machine import Transition, step
from authguard.core.outcomes import Reason
from authguard.core.owners import is_concerned
from authguard.core.request import NO_LEDGERS, NotProven, Proven
from authguard.core.snapshot import EMPTY_LEDGER, STATE_FIELDS, Keys, Report, Snapshot
from authguard.core.staff import parse_roles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.policy import Policy
    from authguard.core.request import Credential, Operation, Principal
    from authguard.core.snapshot import LedgerEntry

#: source name of the app's reports
APP_SOURCE: Final = "app"
#: source name if the policy declares no account source
NO_SOURCE: Final = "none"


class Evaluation(msgspec.Struct):
    """The state of one evaluation.

    Attributes:
        policy: checked.
        snapshot: so far; at first the stored one.
        now: epoch seconds UTC.
        keys: of the records in `snapshot`: of one account, and of one of its sessions.
        events: sent, in order.
        transitions: made, in order.
    """

    policy: Policy
    snapshot: Snapshot
    now: float
    keys: Keys
    events: list[str] = []
    transitions: list[Transition] = []

    def send(
        self, name: str, cause: str, moments: tuple[tuple[str, float], ...] = (), *, at: float | None = None
    ) -> bool:
        """Send an event to its machine, at the current time unless `at` is given; return whether the machine moved."""
        self.events.append(name)
        event = Event(name=name, at=self.now if at is None else at, cause=cause, moments=moments)
        self.snapshot, transitions = step(self.policy.machines, self.snapshot, event, self.keys)
        self.transitions += transitions
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

    def catch_up(self, until: float = inf) -> None:
        """Send the events of all timers that are due, and those that the account raised in all of its sessions.

        Args:
            until: epoch seconds UTC, if timers that are due later must wait.
        """
        account, session = self.snapshot.account, self.snapshot.session
        if account.voided > session.voided and session.entered:
            self._void_proof(account.voided)
        timers, now = self.policy.timers, min(until, self.now)
        if timers.next_due(self.snapshot)[0] > now:
            return
        self.snapshot, transitions = timers.fire_due(self.policy.machines, self.snapshot, now, self.keys)
        for transition in transitions:
            if transition.cause == "timer":
                self.events.append(f"{transition.machine}.{transition.event}")
        self.transitions += transitions

    def _void_proof(self, at: float) -> None:
        """Void a proof of identity from before the account raised `verification.moved`."""
        self.update_record("session", voided=at)
        self.catch_up(at)  # timers that were due before
        concerned = is_concerned("verification.moved", self.snapshot, at)
        if concerned:
            self.update_record("session", attempt=None)  # the pending attempt no longer applies
            self.send("verification.moved", "account", at=at)


def end_session(evaluation: Evaluation, event: str, cause: str) -> None:
    """End the session; if it has ended already, void all sign-ins since then."""
    if not evaluation.send(event, cause):
        session = evaluation.snapshot.session
        evaluation.update_record(
            "session", entered=max(session.entered, evaluation.now), ended=max(session.ended, evaluation.now)
        )


def authenticated_at(policy: Policy, principal: Principal) -> float:
    """Return when the subject authenticated, as the token alone states it; 0 if it does not."""
    return conditions.find_authentication_time(principal, policy.agents)


def is_signed_out(policy: Policy, credential: Credential, snapshot: Snapshot) -> bool:
    """Return whether a sign-out ended this credential's sign-in, and a later sign-in began the session again.

    Such a credential neither continues the later sign-in nor ends it: it proves no principal. One that does not state
    its sign-in time must at least be issued after the sign-out.
    """
    session = snapshot.session
    ended_at = max(session.ended, snapshot.account.not_before)
    if not isinstance(credential, Proven) or not session.version or not ended_at:
        return False
    proof = authenticated_at(policy, credential.principal) or credential.principal.issued_at
    return session.signed_in > ended_at >= proof


def withdraw_if_signed_out(policy: Policy, credential: Credential, stored: Snapshot) -> Credential:
    """Return the credential as it counts against the stored records: rejected if a sign-out ended its sign-in."""
    return NotProven("rejected", Reason.SIGNED_OUT) if is_signed_out(policy, credential, stored) else credential


def classify_credential(policy: Policy, principal: Principal, snapshot: Snapshot, assurance: str, proof: float) -> str:
    """Return the condition ``credential`` of a proven principal (`authguard.core.conditions.classify_credential`).

    Args:
        policy: checked.
        principal: proven.
        snapshot: after the events of this request.
        assurance: from `authguard.core.conditions.check_assurance`.
        proof: from `authenticated_at`.
    """
    is_live = snapshot.session.state in policy.live_session_states
    return conditions.classify_credential(
        principal, snapshot.session, assurance, authenticated_at=proof, is_live=is_live
    )


def unproven_cell(policy: Policy, operation: Operation, credential: str, states: tuple[str, ...]) -> tuple[str, ...]:
    """Return the cell of an unproven request; each unmet requirement counts against it.

    Args:
        policy: checked.
        operation: of the request.
        credential: condition of the credential.
        states: of the machines.
    """
    return (
        *states,
        credential,
        operation.risk,
        operation.effect,
        conditions.check_scope(operation, NO_LEDGERS, NO_LEDGERS),
        "insufficient" if operation.acr or operation.max_age else "met",
        "unmeasured" if operation.limits else "within",
        "unknown" if policy.channels.declared else "same",
        "subject",
    )


def apply_credential(evaluation: Evaluation, principal: Principal, proof: float, *, acts: bool) -> bool:
    """Send the session events of a proven credential.

    Args:
        evaluation: of this request.
        principal: proven.
        proof: from `authenticated_at`.
        acts: whether the subject acts, and no agent: only then is the person present (NIST SP 800-63B-4, section
            5.1.2).

    Returns:
        Whether the session sees this sign-in for the first time, so that it may prove identity.
    """
    session, account, policy = evaluation.snapshot.session, evaluation.snapshot.account, evaluation.policy
    states_time = policy.issuers[principal.issuer].evidence == "auth_time"
    is_new = not session.signed_in and evaluation.can("session.accepted")
    if not proof and is_new and states_time:
        return False  # a record may have been deleted, so an unknown session is no proof of a new sign-in
    if not session.permanent and not states_time:
        evaluation.update_record("session", permanent=True)
    if account.not_before and _is_cut_off(evaluation.snapshot, principal, proof, is_new=is_new):
        evaluation.send("session.revoked", "credential", at=max(session.entered, account.not_before))
        return False
    # both comparisons are strict: the sign-in that the session already has never reopens it, whatever the clocks show
    if session.version and proof > session.entered and proof > session.signed_in:
        moments = (("signed_in", proof), ("last_seen", evaluation.now if acts else proof))
        evaluation.send("session.renewed", "credential", moments)
        evaluation.update_record("session", account=principal.account_key)
        return True
    if is_new:
        signed_in = proof or evaluation.now
        moments = (("signed_in", signed_in), ("last_seen", evaluation.now if acts else signed_in))
        evaluation.send("session.accepted", "credential", moments)
        evaluation.update_record("session", account=principal.account_key, voided=account.voided)
        return True
    if evaluation.can("session.accepted"):
        evaluation.send("session.accepted", "credential")
    else:
        evaluation.events.append("session.accepted")
        if (
            acts
            and evaluation.now - session.last_seen > policy.last_seen_tolerance
            and session.state in policy.idle_session_states
        ):
            evaluation.update_record("session", last_seen=evaluation.now)
    return False


def _is_cut_off(snapshot: Snapshot, principal: Principal, proof: float, *, is_new: bool) -> bool:
    """Return whether the account's ``not_before`` revokes this sign-in."""
    session, not_before = snapshot.session, snapshot.account.not_before
    if proof:
        # by a fast issuer clock, a sign-in may state a later time than the sign-out that followed it
        is_known = bool(session.version) and session.entered <= not_before and proof <= session.signed_in
        return proof <= not_before or is_known
    if is_new:  # without a session id, a new session may be the refreshed token of an old sign-in
        return not principal.sid or principal.issued_at <= not_before
    return session.signed_in <= not_before


def renew_by_verifier(evaluation: Evaluation, principal: Principal) -> None:
    """Apply a verifier's pass to the session: it authenticates a person whose token does not state the sign-in time."""
    if principal.issued_at <= evaluation.snapshot.account.not_before:
        return  # a sign-out everywhere, while the verifier answered, has not reached the session yet
    evaluation.update_record("session", verified_at=evaluation.now)
    snapshot = evaluation.snapshot
    if snapshot.session.state in evaluation.policy.live_session_states:
        return
    proof = authenticated_at(evaluation.policy, principal)
    if classify_credential(evaluation.policy, principal, snapshot, "met", proof) == "undated":
        moments = (("signed_in", evaluation.now), ("last_seen", evaluation.now))
        evaluation.send("session.renewed", "verification", moments)
        evaluation.update_record("session", account=principal.account_key)


def apply_roles(evaluation: Evaluation, principal: Principal) -> None:
    """Store the roles of the newest credential, so that approvers who lost their role no longer count."""
    # the time is stored even if the roles are the same as the last ones,
    # or an older credential with other roles would count as newer
    account, issued = evaluation.snapshot.account, principal.issued_at
    if principal.issuer not in evaluation.policy.role_sources and not account.roles:
        return  # its credentials grant no role
    roles = tuple(sorted(parse_roles(principal, evaluation.policy.role_sources)))
    if issued > account.roles_at or (issued == account.roles_at and roles != account.roles):
        evaluation.update_record("account", roles=roles, roles_at=issued)


def apply_reports(evaluation: Evaluation, reports: Mapping[str, Report], *, unreachable: bool) -> None:
    """Store the reports of the account's sources, and send the event of the strictest one.

    Args:
        evaluation: of this request.
        reports: source -> report. A report older than the stored one, than a person's decision, or than the timer that
            lifted its state, changes nothing.
        unreachable: whether a directory did not answer.
    """
    account = evaluation.snapshot.account
    stored = account.reports or {}
    if not evaluation.policy.accounts and (NO_SOURCE not in stored or evaluation.can(f"account.{NORMAL}")):
        reports = {**reports, NO_SOURCE: Report(NORMAL, evaluation.now)}
    if not unreachable and reports.items() <= stored.items():
        return
    rank = evaluation.policy.strictness
    newer = {
        source: report
        for source, report in reports.items()
        # without a report that time lifted, no call: every first sight of a token comes here
        if (account.counts(report) if account.lifted else report.at > account.decided)
        and _is_newer_report(report, stored.get(source), rank)
    }
    if unreachable:
        evaluation.send("account.unreachable", "directory")
    if not newer:
        return
    reports = {source: report for source, report in stored.items() if account.counts(report)} | newer
    strictest = max([report.state for report in reports.values()], key=rank.__getitem__)
    evaluation.update_record("account", reports=reports)
    newest = max([report.at for report in reports.values()])
    # the log names the sources of the strictest state, since the newest report may be a laxer one
    holders = [source for source, report in reports.items() if report.state == strictest]
    evaluation.send(f"account.{strictest}", ",".join(sorted(holders)), (("reported", newest),))


def _is_newer_report(report: Report, last: Report | None, rank: Mapping[str, int]) -> bool:
    if last is None or report.at > last.at:
        return True
    if report.at < last.at or rank[report.state] < rank[last.state]:
        return False
    return rank[report.state] > rank[last.state] or report.delegations != last.delegations


def apply_identity(evaluation: Evaluation, principal: Principal, proof: float, channel: str) -> None:
    """Send the verification events of a strong enough new sign-in, if no identity is proven yet."""
    # A sign-in older than the verification's state proves nothing: an aged or changed state needs a new proof.
    # The caller checks for doubt first (`is_in_doubt`): a sign-in does not clear a doubt raised in any session.
    policy, session = evaluation.policy, evaluation.snapshot.session
    if session.verification != policy.initial["verification"]:
        return
    if policy.assurance.rank(principal.acr) < policy.assurance.rank(policy.identity):
        return
    if (proof or principal.issued_at) <= max(session.verification_entered, evaluation.snapshot.account.voided):
        return
    evaluation.send("verification.started", "credential")
    if evaluation.send("verification.passed", "credential"):
        evaluation.update_record("session", channel=channel)


def apply_channel(evaluation: Evaluation, current: str) -> str:
    """Compare the channel with the verified one, and lapse the verification if the policy does not trust the switch.

    Returns:
        The condition ``channel_change``.
    """
    channels = evaluation.policy.channels
    condition = conditions.compare_channel(current, evaluation.snapshot.session.channel, channels.trusts)
    if condition == "switched":
        evaluation.send("verification.moved", "channel")
    return condition

"""The app's reports about a customer, as changes of an evaluation; they only tighten (DESIGN 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from authguard.core.outcomes import Outcome
from authguard.core.snapshot import Report
from authguard.evaluation.attempts import count_attempt
from authguard.evaluation.driver import APP_SOURCE, apply_reports, end_session
from authguard.evaluation.preview import preview_outcome

if TYPE_CHECKING:
    from authguard.core.policy import Policy
    from authguard.core.snapshot import Snapshot
    from authguard.evaluation.decision import Verdict
    from authguard.evaluation.driver import Evaluation

#: verdicts of a verification service other than a pass; each is an attempt (DESIGN 2, "Attempts")
FAILED_VERIFICATIONS: Final = frozenset({"verification.failed", "verification.doubted", "verification.contradicted"})
#: reports that end a session: only a later sign-in counts as fresh
ENDING_REPORTS: Final = frozenset({"session.ended", "session.revoked"})
#: outcome -> degree of access
ACCESS_LEVELS: Final = {Outcome.RESTRICT: 1, Outcome.ALLOW: 2}


def apply_account_report(evaluation: Evaluation, verdict: Verdict, state: str) -> None:
    """Apply the app's report of an account; store it without effect if it would increase access."""
    # an unknown account may be treated more strictly than one with a lax report; the report then counts together
    # with the next source's
    report = _stricter_report(evaluation, state)
    account = evaluation.snapshot.account
    after = msgspec.structs.replace(evaluation.snapshot, account=msgspec.structs.replace(account, state=report.state))
    before = zip(
        _access_levels(evaluation.policy, verdict, evaluation.snapshot),
        _access_levels(evaluation.policy, verdict, after),
        strict=True,
    )
    if any(now < then for now, then in before):
        evaluation.update_record("account", reports={**(account.reports or {}), APP_SOURCE: report})
    else:
        apply_reports(evaluation, {APP_SOURCE: report}, unreachable=False)


def _access_levels(policy: Policy, verdict: Verdict, snapshot: Snapshot) -> list[int]:
    """Return the degree of access to each operation: refused, restricted, or full."""
    reported = verdict.with_snapshot(snapshot)
    return [
        ACCESS_LEVELS.get(preview_outcome(policy, reported, operation).kind, 0) for operation in policy.all_operations
    ]


def _stricter_report(evaluation: Evaluation, state: str) -> Report:
    """Return the app's report; if it is laxer than the app's last one, with the stricter state."""
    last = (evaluation.snapshot.account.reports or {}).get(APP_SOURCE)
    if last is None or not evaluation.snapshot.account.counts(last):
        return Report(state, evaluation.now)
    rank = evaluation.policy.strictness
    # not before the last one: a report after the clock stepped back counts, too
    return Report(max(last.state, state, key=rank.__getitem__), max(last.at, evaluation.now))


def send_report(evaluation: Evaluation, event: str) -> None:
    """Apply a report about the session, the verification or the service."""
    if event in ENDING_REPORTS:
        end_session(evaluation, event, APP_SOURCE)
        return
    machine = event.partition(".")[0]
    evaluation.send(event, APP_SOURCE, (("faulted", evaluation.now),) if machine == "service" else ())
    if machine == "verification":
        evaluation.update_record("session", attempt=None)  # the pending attempt no longer applies
    if event in FAILED_VERIFICATIONS:
        count_attempt(evaluation)

"""Events that a request or the clock surely sends in a state, found by running the driver on records of that state.

An answer of the driver can depend on more than the state: on moments, on stored reports, on the issuer. So each probe
runs the driver on every kind of record with the state, and returns every sequence of events that it sends.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from authguard.core.deployment import Issuer
from authguard.core.machine import Machine, expand
from authguard.core.owners import TOGETHER
from authguard.core.request import Principal
from authguard.core.snapshot import Report, Snapshot, blank
from authguard.evaluation.driver import (
    APP_SOURCE,
    NO_SOURCE,
    Evaluation,
    apply_credential,
    apply_identity,
    apply_reports,
    authenticated_at,
)
from authguard.policy.assembly import assemble
from authguard.policy.checks.event_sources import reported_states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft

#: events of one machine and of those that follow in the same request, in order
Sequence = tuple[str, ...]

#: moments of a probe, epoch seconds UTC: the records were written, the request arrives
WRITTEN_AT: Final = 1_000.0
NOW: Final = 1_000_000.0
#: events that set a moment other than `entered` (`authguard.core.events.MOMENTS`), if nothing else raised them
_SETS: Final = {
    "signed_in": ("session.accepted", "session.renewed"),
    "last_seen": ("session.accepted", "session.renewed"),
    "faulted": ("service.impaired", "service.faulted"),
}


class SignIn(Struct, frozen=True):
    """What a credential does in one state of the session.

    Attributes:
        sequences: every sequence of events that the driver sends.
        is_new: whether the session surely sees the sign-in for the first time, so that it may prove identity.
        can_be_new: whether it may.
    """

    sequences: frozenset[Sequence]
    is_new: bool
    can_be_new: bool


class Due(Struct, frozen=True):
    """The timers that run in one state of a machine.

    Attributes:
        events: those that can fall due first.
        is_sure: whether one of them surely falls due.
    """

    events: frozenset[str]
    is_sure: bool


class DriverProbe:
    """Runs the driver on records of each state.

    Attributes:
        policy: the policy, assembled without its checks.
    """

    def __init__(self, draft: Draft) -> None:
        """Assemble the policy; a base policy may get any issuer.

        Args:
            draft: with total machines and resolved names.
        """
        machines = {name: Machine(spec=spec, table=expand(spec).edges) for name, spec in draft.machines.items()}
        self.policy: Policy = assemble(draft, machines)
        if not self.policy.issuers:
            issuers = [Issuer(issuer=evidence, audience=(), algorithms=(), evidence=evidence) for evidence in _EVIDENCE]
            self.policy = replace(self.policy, issuers={one.issuer: one for one in issuers})
        self._draft = draft
        self._reports: dict[str, frozenset[Sequence]] = {}
        self._sign_ins: dict[tuple[str, bool, bool], SignIn] = {}
        self._never_set: dict[tuple[str, str], set[str]] = {}
        self._raised = {event for spec in draft.machines.values() for line in spec.lines for event in line.raises}

    def sign_in(self, state: str, *, is_dated: bool, is_fresh: bool) -> SignIn:
        """Return what a credential does in a state of the session.

        Args:
            state: of the session.
            is_dated: whether the token states when the person signed in.
            is_fresh: whether the person signed in just now; else it is the sign-in that the session has.
        """
        key = (state, is_dated, is_fresh)
        if key not in self._sign_ins:
            self._sign_ins[key] = self._run_sign_in(state, is_dated=is_dated, is_fresh=is_fresh)
        return self._sign_ins[key]

    def _run_sign_in(self, state: str, *, is_dated: bool, is_fresh: bool) -> SignIn:
        sequences, news = set(), set()
        for snapshot, issuer in product(self._sessions(state), self.policy.issuers):
            proof = (NOW if is_fresh else WRITTEN_AT) if is_dated else 0.0
            principal = Principal(issuer=issuer, subject="s", sid="s", auth_time=proof, issued_at=proof or NOW)
            evaluation = self._begin(snapshot)
            at = authenticated_at(self.policy, principal)
            news.add(apply_credential(evaluation, principal, at, acts=True))
            sequences.add(tuple(evaluation.events))
        return SignIn(frozenset(sequences), is_new=news == {True}, can_be_new=True in news)

    def _sessions(self, state: str) -> Iterator[Snapshot]:
        start = blank(self.policy.initial)
        known = replace(start.session, state=state, entered=WRITTEN_AT, version=1)
        sessions = [known, replace(known, signed_in=WRITTEN_AT, last_seen=WRITTEN_AT)]
        if state == start.session.state:
            sessions.append(start.session)
        # A sign-out everywhere that this session has not seen yet revokes it once. The revoked state is reachable, so
        # the goal is proved from there.
        return (replace(start, session=session) for session in sessions)

    def reports(self, state: str) -> frozenset[Sequence]:
        """Return what the sources' next reports do in a state of the account, whatever was reported before.

        Every declared source is assumed to answer: one that never does reports nothing.
        """
        if state not in self._reports:
            self._reports[state] = frozenset(self._run_reports(state))
        return self._reports[state]

    def _run_reports(self, state: str) -> Iterator[Sequence]:
        policy = self.policy
        app = {event.partition(".")[2] for event in policy.reports.app if event.startswith("account.")}
        app &= policy.strictness.keys()
        stored: list[dict[str, Report]] = [{}, *({APP_SOURCE: Report(one, WRITTEN_AT)} for one in sorted(app))]
        given: list[dict[str, Report]] = [{}]
        if policy.accounts or self._draft.base:
            names = [source.name for source in policy.accounts] or ["any"]
            states = sorted(reported_states(self._draft) & policy.strictness.keys())
            given = [{name: Report(one, NOW) for name in names} for one in states]
        else:
            stored += [{**one, NO_SOURCE: Report("normal", WRITTEN_AT)} for one in stored]
        start = blank(policy.initial)
        for before, now in product(stored, given):
            account = replace(start.account, state=state, entered=WRITTEN_AT, reports=before, reported=WRITTEN_AT)
            evaluation = self._begin(replace(start, account=account))
            apply_reports(evaluation, now, unreachable=False)
            yield tuple(evaluation.events)

    def identity(self, state: str) -> frozenset[Sequence]:
        """Return what a new sign-in at the level of `identity` does in a state of the verification."""
        start = blank(self.policy.initial)
        session = replace(start.session, version=1, verification=state, verification_entered=WRITTEN_AT)
        evaluation = self._begin(replace(start, session=session))
        principal = Principal(issuer=next(iter(self.policy.issuers)), subject="s", acr=self.policy.identity)
        apply_identity(evaluation, principal, NOW, "")
        return frozenset({tuple(evaluation.events)})

    def _begin(self, snapshot: Snapshot) -> Evaluation:
        return Evaluation(self.policy, snapshot, NOW, TOGETHER, events=[], transitions=[])

    def due(self, machine: str, state: str) -> Due:
        """Return the timers that run in a state of a machine."""
        first: dict[str, tuple[float, str]] = {}
        for timer in self.policy.timers.armed.get((machine, state), ()):
            first[timer.moment] = min(first.get(timer.moment, (timer.after, timer.event)), (timer.after, timer.event))
        is_sure = any(state not in self._unset(machine, moment) for moment in first)
        return Due(frozenset(event for _, event in first.values()), is_sure)

    def _unset(self, machine: str, moment: str) -> set[str]:
        """Return the states in which a moment may never have been set."""
        if (machine, moment) not in self._never_set:
            self._never_set[machine, moment] = self._find_unset(machine, moment)
        return self._never_set[machine, moment]

    def _find_unset(self, machine: str, moment: str) -> set[str]:
        initial, table = self.policy.initial[machine], self.policy.machines[machine].table
        if moment not in {*_SETS, "reported"}:
            return {initial}
        reports = {f"account.{state}" for state in self.policy.strictness}
        setting = (set(_SETS[moment]) if moment in _SETS else reports) - self._raised
        unset, waiting = {initial}, [initial]
        while waiting:
            state = waiting.pop()
            for (source, trigger), edge in table.items():
                if source == state and edge.dest not in unset and f"{machine}.{trigger}" not in setting:
                    unset.add(edge.dest)
                    waiting.append(edge.dest)
        return unset


#: evidence of the issuers that a base policy may get
_EVIDENCE: Final = ("auth_time", "none")

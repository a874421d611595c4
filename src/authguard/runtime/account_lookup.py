"""Lookup of account states for a request, in token claims and account directories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.request import Proven
from authguard.core.snapshot import Keys
from authguard.evaluation.account_status import read_statements
from authguard.evaluation.request import RequestFacts
from authguard.ports import AccountStatus
from authguard.runtime.journal import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Credential
    from authguard.core.snapshot import Snapshot
    from authguard.ports import AccountDirectory
    from authguard.runtime.journal import Journal
    from authguard.runtime.state_repository import StateRepository


class AccountLookup:
    """Collects the reports of an account's sources."""

    __slots__ = ("_directories", "_repository")

    def __init__(self, repository: StateRepository, directories: Mapping[str, AccountDirectory]) -> None:
        """Store the directories.

        Args:
            repository: with the policy and its deadline.
            directories: name of the source -> its directory.
        """
        self._repository = repository
        self._directories = directories

    async def collect(self, credential: Credential, channel: str, now: float) -> RequestFacts:
        """Return the facts of a request without its body, with the reports of the account's sources.

        Args:
            credential: the closed result of its check.
            channel: the trusted channel; empty for none.
            now: epoch seconds UTC.

        Raises:
            TimeoutError: a directory did not answer within the policy's budget.
        """
        if not isinstance(credential, Proven):
            return RequestFacts(now=now, credential=credential, channel=channel)
        principal = credential.principal
        keys = Keys(principal.account_key, principal.session_key)
        policy = self._repository.policy
        if not policy.accounts:
            return RequestFacts(now=now, credential=credential, keys=keys, channel=channel, principal=principal)
        answers: dict[str, AccountStatus] = {}
        unreachable = False
        if policy.asks_directories:
            for source in policy.accounts:
                if source.claim:
                    continue
                answer = await self._repository.with_deadline(self._directories[source.name].ask(principal, now))
                if isinstance(answer, AccountStatus):
                    answers[source.name] = answer
                else:
                    unreachable = True
        reports, unmapped, statuses = read_statements(policy, principal, answers)
        return RequestFacts(
            now=now,
            credential=credential,
            keys=keys,
            channel=channel,
            reports=reports,
            statuses=statuses,
            unmapped=unmapped,
            unreachable=unreachable,
            principal=principal,
        )


def record_unmapped(
    journal: Journal, facts: RequestFacts, before: Snapshot, after: Snapshot, *, decision: str
) -> tuple[str, ...]:
    """Write a record for each newly stored report with a status that the policy does not map; return the ids."""
    stored, last = after.account.reports or {}, before.account.reports or {}
    new = {name for name in facts.unmapped if stored.get(name) == facts.reports[name] != last.get(name)}
    if not new or not isinstance(facts.credential, Proven):
        return ()
    subject = facts.credential.principal.pseudonym
    return tuple(
        journal.record_act(
            "account.unrecognised",
            facts.now,
            by=name,
            note=escape_text(facts.unmapped[name]),
            subject=subject,
            decision=decision,
        )
        for name in sorted(new)
    )

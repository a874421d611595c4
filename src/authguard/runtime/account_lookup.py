"""Lookup of account states for a request, in token claims and account directories.

Rules: a status that the policy does not map is ``unrecognised`` and never ignored; delegations count only if they can
be read completely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.core.claim_source import find, label_of
from authguard.core.delegations import DelegationError, parse_delegations
from authguard.core.request import Proven
from authguard.core.snapshot import Keys, Report
from authguard.evaluation.request import RequestFacts
from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.ports import AccountStatus
from authguard.runtime.journal import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.deployment import AccountSource
    from authguard.core.request import Credential, Principal
    from authguard.core.snapshot import Snapshot
    from authguard.ports import AccountDirectory
    from authguard.runtime.journal import Journal
    from authguard.runtime.state_repository import StateRepository

#: longer statuses are cut in the log
MAX_STATUS_LENGTH: Final = 64


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
        claims = principal.claims if policy.accounts else {}
        reports: dict[str, Report] = {}
        unmapped: dict[str, str] = {}
        unreachable = False
        for source in policy.accounts:
            if not source.claim:
                answer = await self._repository.with_deadline(self._directories[source.name].ask(principal, now))
            elif (
                found := claims.get(source.claim) if source.claim[:1] != "/" else find(claims, (source.claim,))
            ) is not None:
                is_plain = isinstance(found, str) and not source.delegations_at
                answer = (
                    AccountStatus(str(found), principal.issued_at)
                    if is_plain
                    else _status_from_claim(source, principal, found)
                )
            else:
                continue
            if not isinstance(answer, AccountStatus):
                unreachable = True
                continue
            state = source.map.get(answer.status, "") if source.map else answer.status
            known_state = state in policy.strictness and state != policy.initial["account"]
            reports[source.name] = Report(state if known_state else "unrecognised", answer.at, answer.delegations)
            if not known_state:
                unmapped[source.name] = answer.status[:MAX_STATUS_LENGTH]
        return RequestFacts(
            now=now,
            credential=credential,
            keys=keys,
            channel=channel,
            reports=reports,
            unmapped=unmapped,
            unreachable=unreachable,
        )


def _status_from_claim(source: AccountSource, principal: Principal, found: object) -> AccountStatus:
    """Return the account status in a token; unreadable statuses and delegations are an empty status."""
    try:
        delegations = (
            parse_delegations(resolve_pointer(principal.claims, source.delegations_at), principal.issuer)
            if source.delegations_at
            else ()
        )
    except PointerError:
        delegations = ()
    except DelegationError:
        return AccountStatus("", principal.issued_at)
    # a list or an object is no status, and no map has the empty one
    status = found if isinstance(found, str) else label_of(found) if isinstance(found, int | float) else ""
    return AccountStatus(status, principal.issued_at, delegations)


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

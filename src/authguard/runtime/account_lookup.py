"""What the sources of account states say of whom a request speaks for: told by the token, or asked.

Rules: a status that the policy does not map is ``unrecognised``, never passed over; of who may act for an account only
what can be read whole counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from authguard.core.delegations import DelegationError, parse_delegations
from authguard.core.json_pointer import PointerError, resolve_pointer
from authguard.core.request import Proven
from authguard.core.snapshot import Report
from authguard.ports import AccountStatus
from authguard.runtime.journal import escape_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.request import Principal
    from authguard.core.snapshot import Snapshot
    from authguard.policy.deployment import AccountSource
    from authguard.ports import AccountDirectory
    from authguard.runtime.decision_point import RequestFacts
    from authguard.runtime.journal import Journal
    from authguard.runtime.state_repository import StateRepository

#: characters of a status that are looked at
MAX_STATUS_LENGTH: Final = 64


class AccountLookup:
    """Collects what an account's sources say."""

    __slots__ = ("_directories", "_repository")

    def __init__(self, repository: StateRepository, directories: Mapping[str, AccountDirectory]) -> None:
        """Keep the directories.

        Args:
            repository: with the policy and its deadline.
            directories: by the name of their source.
        """
        self._repository = repository
        self._directories = directories

    async def look_up(self, facts: RequestFacts, principal: Principal, now: float) -> RequestFacts:
        """Collect what is said of an account.

        Raises:
            TimeoutError: a directory did not answer within the policy's budget.
        """
        policy = self._repository.policy
        said: dict[str, Report] = {}
        unmapped: dict[str, str] = {}
        unreachable = False
        for source in policy.accounts:
            if not source.claim:
                stated = await self._repository.with_deadline(self._directories[source.name].ask(principal, now))
            elif source.claim in principal.claims:
                stated = _status_from_claim(source, principal)
            else:
                continue
            if not isinstance(stated, AccountStatus):
                unreachable = True
                continue
            status = stated.status[:MAX_STATUS_LENGTH]
            state = source.map.get(status, "unrecognised") if source.map else status
            known_state = state in policy.strictness and state != policy.initial["account"]
            said[source.name] = Report(state if known_state else "unrecognised", stated.at, stated.delegations)
            if not known_state:
                unmapped[source.name] = status
        if not said and not unreachable:
            return facts
        return replace(facts, said=said, unmapped=unmapped, unreachable=unreachable)


def _status_from_claim(source: AccountSource, principal: Principal) -> AccountStatus:
    """Read what a token says of its subject's account; what is no status, or names mandates oddly, is no known word."""
    status = principal.claims[source.claim]
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
    return AccountStatus(status if isinstance(status, str) else "", principal.issued_at, delegations)


def record_unmapped(  # noqa: PLR0917 - the parts of one record
    journal: Journal, facts: RequestFacts, before: Snapshot, after: Snapshot, decision: str, now: float
) -> tuple[str, ...]:
    """Record what a source said in words that the policy does not map, once for each report that is kept."""
    kept, last = after.account.reports or {}, before.account.reports or {}
    new = {name for name in facts.unmapped if kept.get(name) == facts.said[name] != last.get(name)}
    if not new or not isinstance(facts.credential, Proven):
        return ()
    subject = facts.credential.principal.pseudonym
    return tuple(
        journal.record_act(
            "account.unrecognised",
            now,
            by=name,
            note=escape_text(facts.unmapped[name]),
            subject=subject,
            decision=decision,
        )
        for name in sorted(new)
    )

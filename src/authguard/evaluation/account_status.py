"""Account states as the policy's sources state them: in the claims of a token, or in an answer of a directory.

Rules: a status that the policy does not map is ``unrecognised`` and never ignored; delegations count only if they can
be read completely.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from authguard.core.claim_source import decode_claims, find, label_of
from authguard.core.delegations import DelegationError, parse_delegations
from authguard.core.events import UNRECOGNISED
from authguard.core.snapshot import Report
from authguard.formats.json_pointer import PointerError, resolve_pointer
from authguard.ports import AccountStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from authguard.core.deployment import AccountSource
    from authguard.core.policy import Policy
    from authguard.core.request import Principal


#: longer statuses are cut in the log
MAX_STATUS_LENGTH: Final = 64


class Statements(NamedTuple):
    """What the sources state about an account.

    Attributes:
        reports: source -> its report.
        unmapped: source -> a status that the policy does not map, cut.
        statuses: source -> its status, before the policy maps it.
    """

    reports: dict[str, Report]
    unmapped: dict[str, str]
    statuses: Mapping[str, AccountStatus]


NO_ANSWERS: Final[Mapping[str, AccountStatus]] = {}


def read_statements(
    policy: Policy, principal: Principal, answers: Mapping[str, AccountStatus] = NO_ANSWERS
) -> Statements:
    """Return what the sources state about an account, as the policy maps it.

    Args:
        policy: checked, with account sources.
        principal: verified, with the claims of the token.
        answers: directory -> its status.

    Returns:
        The reports, the statuses that the policy does not map, cut, and all statuses. A source whose claim the token
            does not have reports nothing, and neither does a directory without an answer.
    """
    claims = decode_claims(principal.content)
    reports: dict[str, Report] = {}
    unmapped: dict[str, str] = {}
    statuses: dict[str, AccountStatus] = {}
    for source in policy.accounts:
        if not source.claim:
            if source.name not in answers:
                continue
            answer = answers[source.name]
        elif (
            found := claims.get(source.claim) if source.claim[:1] != "/" else find(claims, (source.claim,))
        ) is not None:
            is_plain = isinstance(found, str) and not source.delegations_at
            answer = (
                AccountStatus(str(found), principal.issued_at)
                if is_plain
                else _status_of(source, principal, claims, found)
            )
        else:
            continue
        statuses[source.name] = answer
        state = source.map.get(answer.status, "") if source.map else answer.status
        is_mapped = state in policy.strictness and state != policy.initial["account"]
        reports[source.name] = Report(state if is_mapped else UNRECOGNISED, answer.at, answer.delegations)
        if not is_mapped:
            unmapped[source.name] = answer.status[:MAX_STATUS_LENGTH]
    return Statements(reports, unmapped, statuses)


def _status_of(source: AccountSource, principal: Principal, claims: Mapping[str, Any], found: object) -> AccountStatus:
    """Return the account status in a token; unreadable statuses and delegations are an empty status."""
    try:
        delegations = (
            parse_delegations(resolve_pointer(claims, source.delegations_at), principal.issuer)
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

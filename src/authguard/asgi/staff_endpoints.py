"""The endpoints by which staff lift states: an account is reinstated, a verification is reset (WIRE 5).

Each walks through the table as `risk: staff` first. The answer to an account never seen here is that to a known one,
and no name that was sent comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from authguard.asgi.reply import Reply, plain
from authguard.core.outcomes import Reason
from authguard.core.people import says_something
from authguard.core.request import Match, Operation
from authguard.core.snapshot import KEY_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.asgi.endpoint_request import Call

#: characters of a subject (OpenID Connect Core 2), and of an issuer
SUBJECT_BOUND: Final = 255
ISSUER_BOUND: Final = 2_048

#: what ends the path of a reinstatement
REINSTATE: Final = "/reinstate"

_Key = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?$")]
_Why = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]


class Reinstatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What reinstating an account takes.

    Attributes:
        reason: why; kept in the log.
        issuer: of the account; the staff's own where left out.
    """

    reason: _Why
    issuer: Annotated[str, msgspec.Meta(max_length=ISSUER_BOUND)] = ""


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What resetting a verification takes.

    Attributes:
        reason: why; kept in the log.
        account: key of the session's account, hex, as the ticket of the hand-off names it; the session knows its own.
    """

    reason: _Why
    account: _Key = ""


async def _reinstate(call: Call) -> Reply | Reason:
    word = await call.read(Reinstatement)
    # a subject may hold slashes (OpenID Connect Core 2), and a router has decoded them: all between is the subject
    subject, act, rest = call.path[len(call.verdict.operation.match.path.partition("{")[0]) :].rpartition(REINSTATE)
    if isinstance(word, Reason):
        return word
    if not act or rest or not 0 < len(subject) <= SUBJECT_BOUND or not says_something(word.reason):
        return Reason.BODY_MALFORMED
    done = await call.enforcer.staff_actions.staff_reinstates(call.verdict, word.issuer, subject, word.reason)
    return plain(200, {"reinstated": True}) if done is Reason.DECIDED else done


async def _reset(call: Call) -> Reply | Reason:
    word = await call.read(Reset)
    if isinstance(word, Reason):
        return word
    try:
        session = bytes.fromhex(call.path.rsplit("/", 2)[-2])
    except ValueError:
        session = b""
    account = bytes.fromhex(word.account)
    if len(session) != KEY_BYTES or not says_something(word.reason):
        return Reason.BODY_MALFORMED
    done = await call.enforcer.staff_actions.staff_resets(call.verdict, session, account, word.reason)
    return plain(200, {"reset": True}) if done is Reason.DECIDED else done


#: operation -> what answers it
ENDPOINTS: Final[Mapping[str, Callable[[Call], Awaitable[Reply | Reason]]]] = {
    "authguard.account.reinstate": _reinstate,
    "authguard.session.reset": _reset,
}


def own_operations(prefix: str) -> tuple[Operation, ...]:
    """Give the operations of staff on accounts and sessions."""
    return (
        Operation(
            name="authguard.account.reinstate",
            match=Match(path=f"{prefix}/accounts/{{subject:path}}", method="POST"),
            risk="staff",
            effect="write",
        ),
        Operation(
            name="authguard.session.reset",
            match=Match(path=f"{prefix}/sessions/{{id}}/reset", method="POST"),
            risk="staff",
            effect="write",
        ),
    )

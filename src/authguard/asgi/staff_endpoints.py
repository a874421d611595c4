"""Endpoints for staff to override states: reinstate an account, reset a verification, set and clear flags (WIRE 5).

Each is decided by the table first, with `risk: staff`. The reply for an unknown account equals that for a known one,
and contains no name that was sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from authguard.asgi.reply import Reply, json_reply
from authguard.core.amount import MAX_PAYEE_CHARS
from authguard.core.outcomes import Reason
from authguard.core.person_name import has_letters
from authguard.core.record_keys import KEY_BYTES
from authguard.core.request import Match, Operation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from authguard.asgi.endpoint_request import EndpointRequest
    from authguard.runtime.flag_actions import FlagActions
    from authguard.runtime.staff_actions import StaffActions

#: maximum length of a subject (OpenID Connect Core 2), and of an issuer
MAX_SUBJECT_CHARS: Final = 255
MAX_ISSUER_CHARS: Final = 2_048

#: end of the path of a reinstatement
REINSTATE_SUFFIX: Final = "/reinstate"

_Key = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?$")]
_ReasonText = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\S")]


class Reinstatement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a reinstatement.

    Attributes:
        reason: recorded in the log.
        issuer: of the account; by default that of the staff member.
    """

    reason: _ReasonText
    issuer: Annotated[str, msgspec.Meta(max_length=MAX_ISSUER_CHARS)] = ""


class Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a verification reset.

    Attributes:
        reason: recorded in the log.
        account: key of the session's account in hex, from the hand-off ticket; optional if the session has its account.
    """

    reason: _ReasonText
    account: _Key = ""


class FlagChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of setting or clearing a flag.

    Attributes:
        reason: recorded in the log.
        issuer: of the account; by default that of the staff member.
        payee: for a flag by payee.
        subject: of the account, if the path does not name it: for a subject with a slash.
    """

    reason: _ReasonText
    issuer: Annotated[str, msgspec.Meta(max_length=MAX_ISSUER_CHARS)] = ""
    payee: Annotated[str, msgspec.Meta(max_length=MAX_PAYEE_CHARS)] = ""
    subject: Annotated[str, msgspec.Meta(max_length=MAX_SUBJECT_CHARS)] = ""


class StaffEndpoints:
    """The endpoints, with the actions that they call."""

    __slots__ = ("_actions", "_flags")

    def __init__(self, actions: StaffActions, flags: FlagActions) -> None:
        """Store the actions."""
        self._actions = actions
        self._flags = flags

    async def reinstate(self, request: EndpointRequest) -> Reply | Reason:
        """Reinstate an account."""
        body = await request.parse_body(Reinstatement)
        # a subject may contain slashes (OpenID Connect Core 2), which routers decode: it is everything in between
        subject, act, rest = request.path[len(request.verdict.operation.match.path.partition("{")[0]) :].rpartition(
            REINSTATE_SUFFIX
        )
        if isinstance(body, Reason):
            return body
        if not act or rest or not 0 < len(subject) <= MAX_SUBJECT_CHARS or not has_letters(body.reason):
            return Reason.BODY_MALFORMED
        done = await self._actions.reinstate_as_staff(request.verdict, body.issuer, subject, body.reason)
        return json_reply(200, {"reinstated": True}) if done is Reason.DECIDED else done

    async def reset(self, request: EndpointRequest) -> Reply | Reason:
        """Reset the verification of a session."""
        body = await request.parse_body(Reset)
        if isinstance(body, Reason):
            return body
        try:
            session = bytes.fromhex(request.path.rsplit("/", 2)[-2])
        except ValueError:
            session = b""
        account = bytes.fromhex(body.account)
        if len(session) != KEY_BYTES or not has_letters(body.reason):
            return Reason.BODY_MALFORMED
        done = await self._actions.reset_as_staff(request.verdict, session, account, body.reason)
        return json_reply(200, {"reset": True}) if done is Reason.DECIDED else done

    async def set_flag(self, request: EndpointRequest) -> Reply | Reason:
        """Set a flag of an account, of a payee, or of both."""
        return await self._change_flag(request, sets=True)

    async def clear_flag(self, request: EndpointRequest) -> Reply | Reason:
        """Clear a flag, as `set_flag`."""
        return await self._change_flag(request, sets=False)

    async def _change_flag(self, request: EndpointRequest, *, sets: bool) -> Reply | Reason:
        body = await request.parse_body(FlagChange)
        if isinstance(body, Reason):
            return body
        *_, owner, _, name = request.path.rsplit("/", 3)
        named = owner if "{subject}" in request.verdict.operation.match.path else body.subject
        if not has_letters(body.reason) or len(named) > MAX_SUBJECT_CHARS or (named != body.subject and body.subject):
            return Reason.BODY_MALFORMED
        done = await self._flags.change_as_staff(
            request.verdict, name, sets=sets, issuer=body.issuer, subject=named, payee=body.payee, why=body.reason
        )
        return json_reply(200, {"set" if sets else "cleared": True}) if done is Reason.DECIDED else done


#: operation -> its endpoint
ENDPOINTS: Final[Mapping[str, Callable[[StaffEndpoints, EndpointRequest], Awaitable[Reply | Reason]]]] = {
    "authguard.account.reinstate": StaffEndpoints.reinstate,
    "authguard.session.reset": StaffEndpoints.reset,
    "authguard.account.flag.set": StaffEndpoints.set_flag,
    "authguard.account.flag.clear": StaffEndpoints.clear_flag,
    "authguard.flag.set": StaffEndpoints.set_flag,
    "authguard.flag.clear": StaffEndpoints.clear_flag,
}


def own_operations(prefix: str) -> tuple[Operation, ...]:
    """Return the operations of staff on accounts and sessions."""
    flags = (
        ("account.flag", f"{prefix}/accounts/{{subject}}/flags/{{name}}"),
        ("flag", f"{prefix}/flags/{{name}}"),
    )
    return (
        # before the path of a reinstatement, which has any number of segments
        *(
            Operation(
                name=f"authguard.{name}.{act}", match=Match(path=path, method=method), risk="staff", effect="write"
            )
            for name, path in flags
            for act, method in (("set", "POST"), ("clear", "DELETE"))
        ),
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

"""Models of the flags of a policy: what sets each, for how long, and who may clear it."""

from math import inf
from typing import Annotated, Any, Final, Literal

from msgspec import Meta

from authguard.core.declaration import Key
from authguard.core.flags import PAYEE, SESSION, SUBJECT, SUBJECT_PAYEE
from authguard.policy.schema import units
from authguard.policy.schema.model import Parsed, StrictModel
from authguard.policy.schema.types import Name, Names, Role

#: maximum flags of a policy, setters of a flag, and roles that may clear one
MAX_FLAGS: Final = 12
MAX_SETTERS: Final = 32
NEVER: Final = "never"

_OWNERS: Final = (SUBJECT, SESSION, PAYEE)
_OWNERS_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [
        {"enum": list(_OWNERS)},
        {"type": "array", "items": {"enum": [SUBJECT, PAYEE]}, "minItems": 2, "maxItems": 2, "uniqueItems": True},
    ]
}
_LIFETIME_SCHEMA: Final[dict[str, Any]] = {"type": "string", "pattern": "^(?:never|[1-9][0-9]{0,8}(?:ms|s|m|h|d))$"}


def _parse_owner(typed: object) -> str:
    """Parse ``by``: one owner, or the account together with the payee."""
    if isinstance(typed, str) and typed in _OWNERS:
        return typed
    if isinstance(typed, list) and sorted(map(str, typed)) == [PAYEE, SUBJECT]:
        return SUBJECT_PAYEE
    raise ValueError("write `subject`, `session`, `payee` or `[subject, payee]`")


def _parse_lifetime(typed: object) -> float:
    """Parse ``expires``: a positive duration, or ``never``."""
    seconds = inf if typed == NEVER else units.parse_duration(typed)
    if not seconds:
        raise ValueError("write a positive duration such as `24h`, or `never`")
    return seconds


class FlagSetter(StrictModel, frozen=True, kw_only=True):
    """What sets a flag: an event of operations, a report of the app, or a person with a role."""

    operation: Annotated[Names, Key("Operations, or groups of them, of which an event sets the flag.", "apart")] = ()
    event: Annotated[
        Literal["", "started", "committed", "failed", "lapsed", "denied"],
        Key("`started`, `committed` (the app answered 2xx), `failed`, `lapsed`, or `denied` by an approver.", "apart"),
    ] = ""
    app: Annotated[Literal["", "report"], Key("`report`: the app sets it, by `guard.set_flag`.", "apart")] = ""
    role: Annotated[Role, Key("Role of the people who may set it.", "apart")] = ""


class FlagClearer(StrictModel, frozen=True, kw_only=True):
    """Who may clear a flag before its time has passed."""

    role: Annotated[Role, Key("Role of the people who may clear it.", "apart")]


class Flag(StrictModel, frozen=True, kw_only=True):
    """What the guard remembers of a person, a session or a payee, for a time."""

    by: Annotated[
        str,
        Parsed(_parse_owner, "malformed-value", _OWNERS_SCHEMA),
        Key("Owner: `subject`, `session`, `payee` (the same for everybody) or `[subject, payee]`.", "apart"),
    ]
    # longer is stricter for a flag that restricts, and looser for one that permits
    expires: Annotated[
        float,
        Parsed(_parse_lifetime, "duration", _LIFETIME_SCHEMA),
        Key("Time from its last setting until it is clear again, such as `24h`, or `never`.", "apart"),
    ]
    set_by: Annotated[
        tuple[FlagSetter, ...],
        Meta(min_length=1, max_length=MAX_SETTERS),
        Key("What sets it: events of operations, reports of the app, or people with a role.", "apart"),
    ]
    cleared_by: Annotated[
        tuple[FlagClearer, ...],
        Meta(max_length=MAX_SETTERS),
        Key("Roles of people who may clear it earlier; default: none.", "apart"),
    ] = ()


#: flags by name
Flags = Annotated[dict[Name, Flag], Meta(max_length=MAX_FLAGS)]

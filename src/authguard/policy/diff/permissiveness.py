"""The order of permissiveness: directions, the order of outcomes and risks, and comparisons of two values of a field.

A comparison returns `CHANGED` only for values that cannot admit a request. Values that can, and have no order, are
`MAY_LOOSEN`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from authguard.core.agents import Agent
from authguard.core.conditions import ACCEPTED_ACTORS
from authguard.core.credential_place import CredentialPlace
from authguard.core.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

#: name of the comparison of a field that a module of its own compares
APART: Final = "apart"


class Direction(StrEnum):
    """The direction of a change.

    ``LOOSER``: the new policy admits more. ``MAY_LOOSEN``: it may admit something that the old refuses, because the
    values have no order, or because the comparison ended at its bound. ``STRICTER``: it admits less. ``CHANGED``: it
    admits the same.
    """

    LOOSER = "looser"
    MAY_LOOSEN = "may be looser"
    STRICTER = "stricter"
    CHANGED = "changed"


#: The outcomes, the most permissive first (docs/adr/0006), by what still prevents the request from reaching the app and
#: who can remove it. First: the app runs; it runs with less; an earlier response is repeated. Then what the caller can
#: do alone: sign in, sign in with more assurance, prove identity. Then what others decide: an approver admits this
#: request; only time does; a person serves the customer instead of the app. Last: the request is denied; it is denied
#: and the session ends.
ORDER: Final = (
    Outcome.ALLOW,
    Outcome.RESTRICT,
    Outcome.REPEAT,
    Outcome.CHALLENGE,
    Outcome.STEP_UP,
    Outcome.VERIFY,
    Outcome.HOLD,
    Outcome.RETRY,
    Outcome.HANDOFF,
    Outcome.DENY,
    Outcome.TERMINATE,
)
#: The risks, the highest first.
RISKS: Final = ("high", "staff", "sensitive", "self", "routine", "public")


def neutral(_before: object, _after: object) -> Direction:
    """Compare values that cannot admit a request: names, texts, what only a reader of the log sees."""
    return Direction.CHANGED


def unordered(_before: object, _after: object) -> Direction:
    """Compare values that have no order: another address, claim or service may state anything."""
    return Direction.MAY_LOOSEN


def _by(
    rank: Callable[[object], float], *, tie: Direction = Direction.MAY_LOOSEN, lower: Direction = Direction.STRICTER
) -> Callable[[object, object], Direction]:
    """Return a comparison in which the higher rank is looser.

    Args:
        rank: of a value.
        tie: direction of two values of one rank.
        lower: direction of a lower rank.
    """

    def compare(before: object, after: object) -> Direction:
        old, new = rank(before), rank(after)
        if old == new:
            return tie
        return Direction.LOOSER if new > old else lower

    return compare


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


#: a larger number is looser
larger_is_looser = _by(_number)
#: a larger number is looser; a smaller one may be: it replaces an earlier answer sooner, by a stricter or laxer one
larger_is_looser_smaller_may_be = _by(_number, lower=Direction.MAY_LOOSEN)
#: a smaller number is looser
smaller_is_looser = _by(lambda value: -_number(value))
#: a larger number is looser, and 0 means no limit
zero_is_unbounded = _by(lambda value: _number(value) or float("inf"))
#: a value is looser than none
set_is_looser = _by(bool)
#: evidence of an issuer: only with `auth_time` must a token of an unknown session state its sign-in time
evidence = _by(lambda value: value != "auth_time")
#: effect of an operation: a read has fewer requirements
effect = _by(lambda value: value == "read")
#: risk of an operation: a lower risk is looser
risk = _by(lambda value: RISKS.index(str(value)) if value in RISKS else -1)
#: names of subjects or addresses are looser than their keyed hashes
plain = _by(lambda value: value == "plain")
#: a record for many admissions is looser than one for each
windows = _by(lambda value: value == "windows")
#: any token type is looser than one type
token_type = _by(lambda value: value == "any")
#: a bearer token is looser than one with proof of possession
sender = _by(lambda value: value != "dpop")
#: a less durable write is looser
durability = _by(lambda value: -("async", "group", "sync").index(str(value)))
#: outcome of a fallback, by `ORDER`
outcome = _by(lambda value: -ORDER.index(Outcome(str(value))), tie=Direction.CHANGED)


def wider(before: object, after: object) -> Direction:
    """Compare sets: a superset is looser."""
    old, new = _set(before), _set(after)
    if old < new:
        return Direction.LOOSER
    return Direction.STRICTER if new < old else Direction.CHANGED if new == old else Direction.MAY_LOOSEN


def narrower(before: object, after: object) -> Direction:
    """Compare sets of requirements: a subset is looser."""
    return wider(after, before)


def fewer_demands(before: object, after: object) -> Direction:
    """Compare claims with their accepted values: fewer claims, or more values of one, are looser."""
    old, new = (dict(one) if isinstance(one, Mapping) else {} for one in (before, after))
    shared = old.keys() & new.keys()
    directions = {narrower(tuple(old), tuple(new))} if old.keys() != new.keys() else set()
    directions |= {wider_or_all(old[name], new[name]) for name in shared if old[name] != new[name]}
    return directions.pop() if len(directions) == 1 else Direction.MAY_LOOSEN


def wider_or_all(before: object, after: object) -> Direction:
    """Compare sets of which the empty one allows everything."""
    if not _set(after) or not _set(before):
        return Direction.LOOSER if not _set(after) else Direction.STRICTER
    return wider(before, after)


def wider_or_any(before: object, after: object) -> Direction:
    """Compare sets of which one with ``*`` contains everything."""
    old, new = "*" in _set(before), "*" in _set(after)
    if old or new:
        return Direction.MAY_LOOSEN if old and new else Direction.LOOSER if new else Direction.STRICTER
    return wider(before, after)


def agents(before: object, after: object) -> Direction:
    """Compare registered agents: more agents, or one that may act alone, is looser.

    A client that is no longer registered is the person itself wherever no ``act`` names it, so fewer agents may be
    looser too.
    """
    return Direction.LOOSER if wider(_powers(before), _powers(after)) is Direction.LOOSER else Direction.MAY_LOOSEN


def fewer_reports(before: object, after: object) -> Direction:
    """Compare events that the app may report: more let it do more; fewer let a restriction go unreported."""
    return Direction.LOOSER if wider(before, after) is Direction.LOOSER else Direction.MAY_LOOSEN


def actors(before: object, after: object) -> Direction:
    """Compare which actors an operation accepts."""
    return wider(ACCEPTED_ACTORS.get(str(before), ()), ACCEPTED_ACTORS.get(str(after), ()))


def verdicts(before: object, after: object) -> Direction:
    """Compare the words of a verifier: a word that passes now is looser; other changes have no order."""
    old, new = (dict(one) if isinstance(one, Mapping) else {} for one in (before, after))
    passes = any(new[word] == "passed" != old.get(word) for word in new)
    return Direction.LOOSER if passes else Direction.MAY_LOOSEN


def credential_places(before: object, after: object) -> Direction:
    """Compare places of the credential: more places, or more origins of a cookie, are looser."""
    return wider(_openings(before), _openings(after))


#: name in a field's declaration -> comparison
COMPARISONS: Final[Mapping[str, Callable[[object, object], Direction]]] = {
    "neutral": neutral,
    "unordered": unordered,
    "larger": larger_is_looser,
    "larger_smaller_may_be": larger_is_looser_smaller_may_be,
    "smaller": smaller_is_looser,
    "wider": wider,
    "narrower": narrower,
    "wider_or_all": wider_or_all,
    "wider_or_any": wider_or_any,
    "zero_is_unbounded": zero_is_unbounded,
    "set": set_is_looser,
    "risk": risk,
    "effect": effect,
    "evidence": evidence,
    "outcome": outcome,
    "sender": sender,
    "token_type": token_type,
    "fewer_demands": fewer_demands,
    "actors": actors,
    "agents": agents,
    "credential_places": credential_places,
    "verdicts": verdicts,
    "plain": plain,
    "windows": windows,
    "reports": fewer_reports,
}


def _openings(value: object) -> frozenset[object]:
    places = [one for one in value if isinstance(one, CredentialPlace)] if isinstance(value, tuple) else []
    return frozenset((one.kind, one.name, origin) for one in places for origin in ("", *one.origins))


def _powers(value: object) -> frozenset[object]:
    powers: set[object] = set()
    for one in _set(value):
        powers |= {one} if not isinstance(one, Agent) else {one, one._replace(alone=False)}
    return frozenset(powers)


def _set(value: object) -> frozenset[object]:
    return frozenset(value) if isinstance(value, frozenset | set | tuple | list) else frozenset()

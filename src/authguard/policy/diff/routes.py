"""The requests that two policies map to different operations.

The templates of both policies are followed segment by segment, so that each path, method and host that they tell apart
is represented once: one segment stands for all that no template spells, and the empty one, which no parameter matches,
for itself. The resolver of the run time then says which operation each representative belongs to.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.outcomes import Reason
from authguard.evaluation.resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.core.request import Operation
    from authguard.policy.draft import Draft

#: places in the templates of both policies that are followed; past it the comparison is incomplete
MAX_PLACES: Final = 20_000
#: the method of every request that no operation names
OTHER_METHOD: Final = "PROBE"
#: name of a request that is refused because no operation matches it
REFUSED: Final = ""

#: operations that still match, and those that match any further segments, by their index
Alive = tuple[frozenset[int], frozenset[int]]


class RoutePair(Struct, frozen=True):
    """One request of many that two policies map to different operations.

    Attributes:
        before: operation of the old policy; `REFUSED` if it refuses the request.
        after: operation of the new policy.
        request: method, path and, if it matters, host in words.
    """

    before: str
    after: str
    request: str


class Routes(Struct, frozen=True):
    """What two policies map differently.

    Attributes:
        pairs: each pair of different operations once, in the order of the walk.
        is_complete: whether the walk ended before its bound.
    """

    pairs: tuple[RoutePair, ...]
    is_complete: bool


def compare_routes(old: Draft, new: Draft, places: int = MAX_PLACES) -> Routes:
    """Compare which operation each request belongs to.

    Args:
        old: without errors.
        new: without errors.
        places: largest number of places to follow.
    """
    if _routing(old) == _routing(new):
        return Routes((), is_complete=True)
    found: dict[tuple[str, str], RoutePair] = {}
    left = [places]
    for host in _hosts(old, new):
        for websocket in (False, True):
            walk = _Walk((_Side(old, host), _Side(new, host)), websocket=websocket, left=left)
            for before, after, request in walk.visit():
                if before != after and (before, after) not in found:
                    where = f" of {host}" if host else ""
                    found[before, after] = RoutePair(before, after, f"{request}{where}")
    return Routes(tuple(found.values()), is_complete=left[0] > 0)


def _routing(draft: Draft) -> object:
    unnamed = draft.otherwise.name if draft.admits_unnamed else REFUSED
    return [(one.name, one.match, one.hosts) for one in draft.operations], unnamed


def _hosts(*drafts: Draft) -> tuple[str, ...]:
    """Return one host for each set of operations: an unlisted one, and one of each pattern."""
    patterns = frozenset[str]().union(*(one.hosts for draft in drafts for one in draft.operations))
    label = next(name for name in _labels(len(patterns)) if not any(one.startswith(f"{name}.") for one in patterns))
    return ("", *(one.replace("*", label) for one in sorted(patterns)))


def _labels(number: int) -> Iterator[str]:
    yield "any"
    yield from (f"any{place}" for place in range(number + 1))


#: a host that no policy can list
_UNLISTED: Final = "unlisted_.invalid"


class _Side:
    """One policy and its resolver."""

    def __init__(self, draft: Draft, host: str) -> None:
        self.operations: Sequence[Operation] = draft.operations
        self.segments = [(one.match.websocket or one.match.path).split("/") for one in draft.operations]
        self._resolver = Resolver(draft.operations, draft.otherwise, (), admits=draft.admits_unnamed)
        self._headers = [(b"host", (host or _UNLISTED).encode())]

    def begin(self, *, websocket: bool) -> Alive:
        chosen = (index for index, one in enumerate(self.operations) if bool(one.match.websocket) is websocket)
        return frozenset(chosen), frozenset()

    def resolve(self, method: str, path: str) -> str:
        """Return the operation of a request, or of a handshake without a method."""
        scope = {"path": path, "root_path": "", "headers": self._headers}
        find = self._resolver.find_socket if not method else partial(self._resolver.find, method)
        found = find(path, scope)
        return REFUSED if isinstance(found, Reason) else found.name


class _Walk:
    """Follows the templates of both sides at once."""

    def __init__(self, sides: tuple[_Side, _Side], *, websocket: bool, left: list[int]) -> None:
        self._sides = sides
        self._websocket = websocket
        self._left = left
        named = {one.match.method for side in sides for one in side.operations if one.match.method}
        self._methods = [""] if websocket else [*sorted({*named, "GET", "HEAD"}), OTHER_METHOD]

    def visit(self) -> Iterator[tuple[str, str, str]]:
        """Yield the operation of each side for each request that stands for many, with the request in words."""
        first, second = (side.begin(websocket=self._websocket) for side in self._sides)
        pending: list[tuple[tuple[Alive, Alive], tuple[str, ...]]] = [((first, second), ())]
        seen: set[tuple[Alive, Alive, int, bool]] = set()
        while pending and self._left[0] > 0:
            alive, path = pending.pop()
            depth = len(path)
            key = (*alive, depth, path[-1:] == ("",))  # the resolver reads a trailing slash as none
            if key in seen:
                continue
            seen.add(key)
            self._left[0] -= 1
            if path:
                for method in self._methods:
                    names = [side.resolve(method, "/".join(path)) for side in self._sides]
                    yield names[0], names[1], f"{method or 'WebSocket'} {'/'.join(path) or '/'}"
            if any(one[0] for one in alive):
                pending += [(after, (*path, segment)) for segment, after in self._follow(alive, depth)]

    def _follow(self, alive: tuple[Alive, Alive], depth: int) -> Iterator[tuple[str, tuple[Alive, Alive]]]:
        """Yield each segment that the templates tell apart, with the operations that still match after it."""
        sides = [_group(side.segments, one, depth) for side, one in zip(self._sides, alive, strict=True)]
        literals = sorted({literal for groups, _, _ in sides for literal in groups})
        other = next(name for name in ("other", "another", *map(str, range(len(literals)))) if name not in literals)
        for segment in (["", *(one for one in literals if one), other])[::-1] if depth else [""]:
            after = [
                (groups.get(segment, frozenset()) | (parameters if segment else frozenset()), tails)
                for groups, parameters, tails in sides
            ]
            yield segment, (after[0], after[1])


def _group(
    segments: Sequence[Sequence[str]], alive: Alive, depth: int
) -> tuple[dict[str, frozenset[int]], frozenset[int], frozenset[int]]:
    """Group the operations by their next segment: by literal, parameter, and the rest of a path."""
    literal: dict[str, set[int]] = {}
    parameters, tails = set[int](), set(alive[1])
    for index in alive[0]:
        if depth >= len(segments[index]):
            continue
        segment = segments[index][depth]
        if segment.startswith("{") and segment.endswith(":path}"):
            tails.add(index)
        elif segment.startswith("{"):
            parameters.add(index)
        else:
            literal.setdefault(segment, set()).add(index)
    return {name: frozenset(found) for name, found in literal.items()}, frozenset(parameters), frozenset(tails)

"""Operations that a request misses by one thing: the method, the host, the order, or a part of the path."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from authguard.core.request import Operation
from authguard.evaluation.lookalike import LookalikeIndex
from authguard.evaluation.operation_index import WEBSOCKET, OperationIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

#: most operations that are named
MAX_NEAR: Final = 5
#: likeness of two segments from which one may be a misspelling of the other
MIN_LIKENESS: Final = 0.75
#: longest segment that is compared
MAX_SEGMENT_CHARS: Final = 64
_NONE: Final = Operation(name="")


class NearMatch(Struct, frozen=True):
    """An operation that a request nearly matched.

    Attributes:
        operation: its name.
        match: method and path that it takes.
        differs: what differs, in words.
    """

    operation: str
    match: str
    differs: str


def describe_match(operation: Operation) -> str:
    """Return the requests that an operation takes: `PUT /payout-account`, `websocket /live`."""
    match = operation.match
    if match.websocket:
        return f"{WEBSOCKET} {match.websocket}"
    return f"{match.method or 'any method of'} {match.path}" if match.path else "whatever no other operation takes"


def find_near(operations: Sequence[Operation], method: str, path: str, found: str) -> tuple[NearMatch, ...]:
    """Return the operations that a request misses by one thing, the closest first.

    Args:
        operations: of the policy, in its order.
        method: of the request; ``websocket`` for a handshake.
        path: as the app's router sees it.
        found: name of the operation that the request matches; empty for none.
    """
    ranked: list[tuple[int, NearMatch]] = []
    for operation in operations:
        if operation.name != found:
            rank, differs = _compare(operation, method, path, found)
            if differs:
                ranked.append((rank, NearMatch(operation.name, describe_match(operation), differs)))
    ranked.sort(key=lambda one: one[0])
    return tuple(near for _, near in ranked[:MAX_NEAR])


def _compare(operation: Operation, method: str, path: str, found: str) -> tuple[int, str]:
    """Return a rank, lower for closer, and what differs; nothing if too much does."""
    if OperationIndex([operation], _NONE).has_path(path):
        return _compare_rest(operation, method, found)
    template = operation.match.websocket or operation.match.path
    if found or not template:
        return 9, ""  # the request is named, so that a similar path is another request
    if LookalikeIndex([template]).resembles(path):
        return 3, "the path only resembles it, and another program might take it for this one"
    return 4, _differing_segment(template, path)


def _compare_rest(operation: Operation, method: str, found: str) -> tuple[int, str]:
    """Return the rank and what differs for an operation that takes the path."""
    match = operation.match
    if bool(match.websocket) is not (method == WEBSOCKET):
        return 1, "it takes WebSockets" if match.websocket else "it takes HTTP requests"
    if match.method and match.method != method and (match.method, method) != ("GET", "HEAD"):
        return 0, f"it takes {match.method}, not {method}"
    if operation.hosts:
        return 0, f"it takes requests to the host {' or '.join(f'`{host}`' for host in sorted(operation.hosts))}"
    return 2, f"it stands below `{found}`, and the first match wins" if found else "the request is malformed"


def _differing_segment(template: str, path: str) -> str:
    wanted, sent = template.split("/"), path.split("/")
    if len(wanted) != len(sent):
        return ""
    differing = [
        (one, other)
        for one, other in zip(wanted, sent, strict=True)
        if one != other and not (one.startswith("{") and other)
    ]
    if len(differing) != 1:
        return ""
    one, other = (part[:MAX_SEGMENT_CHARS] for part in differing[0])
    likeness = SequenceMatcher(None, one, other).ratio()
    return f"the path has `{other}` in place of `{one}`" if likeness >= MIN_LIKENESS else ""

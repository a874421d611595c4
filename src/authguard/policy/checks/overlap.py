"""Sample requests that represent every request that two policies' operations distinguish, and their operations.

Path templates compare paths by segment, so one sample segment represents every segment without a literal.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from authguard.core.request import Match, Operation

#: a segment or method that occurs in no template
OTHER: Final = "other"
#: most samples of one template; with more combinations, its literals are sampled one position after the other
MAX_SAMPLES: Final = 256


class SampleRequest(Struct, frozen=True):
    """One request that represents many.

    Attributes:
        path: its segments.
        method: in capitals; empty for a WebSocket.
    """

    path: tuple[str, ...]
    method: str

    def __str__(self) -> str:
        """Format method and path."""
        return f"{self.method or 'WebSocket'} {'/'.join(self.path) or '/'}"


def sample_requests(*policies: Sequence[Operation]) -> Iterator[SampleRequest]:
    """Yield requests that represent everything that the operations of several policies distinguish."""
    matches = [operation.match for operations in policies for operation in operations]
    spelt: dict[int, set[str]] = {}
    for match in matches:
        for place, segment in enumerate((match.path or match.websocket).split("/")):
            if not segment.startswith("{"):
                spelt.setdefault(place, set()).add(segment)
    methods = [*sorted({match.method for match in matches if match.method}), "PROBE"]
    seen: set[SampleRequest] = set()
    for match in matches:
        for path in _paths(match, spelt):
            for method in [""] if match.websocket else methods:
                probe = SampleRequest(path, method)
                if probe not in seen:
                    seen.add(probe)
                    yield probe


def _paths(match: Match, spelt: dict[int, set[str]]) -> Iterable[tuple[str, ...]]:
    choices: list[list[str]] = []
    count = 1
    for place, segment in enumerate((match.path or match.websocket).split("/")):
        known = [OTHER]
        if not segment.startswith("{"):
            known = [segment]
        elif count * (1 + len(spelt.get(place, ()))) <= MAX_SAMPLES:
            known = [OTHER, *sorted(spelt.get(place, ()))]
        count *= len(known)
        choices.append(known)
    return product(*choices)


def match_operation(operations: Sequence[Operation], probe: SampleRequest) -> Operation | None:
    """Return the first operation that matches a request."""
    for operation in operations:
        match = operation.match
        if bool(match.websocket) == bool(probe.method):
            continue
        if match.method in ("", probe.method) and _matches(match.path or match.websocket, probe.path):
            return operation
    return None


def _matches(template: str, path: tuple[str, ...]) -> bool:
    wanted = template.split("/") if template else []
    if not template:
        return True
    for place, segment in enumerate(wanted):
        if segment.startswith("{") and segment.endswith(":path}"):
            return len(path) > place
        if place >= len(path) or (not segment.startswith("{") and segment != path[place]):
            return False
    return len(wanted) == len(path)

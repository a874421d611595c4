"""Keys that an earlier release had: refused by name, with what to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.problems import Problem
from authguard.policy.schema.reserved_key import find_matches, without
from authguard.policy.tree import dotted, quoted

if TYPE_CHECKING:
    from authguard.policy.tree import Node, Path

#: how a channel header is believed
CHANNEL_HEADER: Final = "{header: X-Channel, secret_header: X-Channel-Secret, secret_env: CHANNEL_SECRET}"
#: path; why it is gone; what to write instead
REMOVED: Final[tuple[tuple[Path, str, str], ...]] = (
    (
        ("channels", "from", "trusted_peers"),
        "a server rewrites the address of the peer, so a network proves nothing",
        f"write `from: {CHANNEL_HEADER}`, and let the gateway send the secret",
    ),
)


def refuse(tree: Node) -> tuple[Node, tuple[Problem, ...]]:
    """Report removed keys, one problem each, and return the tree without them."""
    problems: list[Problem] = []
    dropped: set[Path] = set()
    for pattern, why, advice in REMOVED:
        for path, node in find_matches(tree, pattern, ()):
            dropped.add(path)
            message = f"{quoted(dotted(path))} is no longer a key: {why}"
            problems.append(Problem(code="removed-key", place=node.place, message=message, advice=advice))
    return (without(tree, dropped, ()) if dropped else tree), tuple(problems)

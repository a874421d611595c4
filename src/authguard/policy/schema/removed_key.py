"""Keys of earlier releases: each is refused by name, with the replacement as advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.problem import Problem
from authguard.policy.schema.reserved_key import find_matches, remove_paths
from authguard.policy.tree import Node, format_path, quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.policy.tree import Path

#: the configuration of a channel header; a header is trusted only together with its secret
CHANNEL_HEADER: Final = "{header: X-Channel, secret_header: X-Channel-Secret, secret_env: CHANNEL_SECRET}"
#: the same for a condition of the policy's own
CONDITION_HEADER: Final = "{header: X-Segment, secret_header: X-Segment-Secret, secret_env: SEGMENT_SECRET}"
#: path, reason for the removal, replacement
REMOVED: Final[tuple[tuple[Path, str, str], ...]] = (
    (
        ("channels", "from", "trusted_peers"),
        "a server rewrites the address of the peer, so a network proves nothing",
        f"write `from: {CHANNEL_HEADER}`, and let the gateway send the secret",
    ),
    (
        ("conditions", "*", "from", "trusted_peers"),
        "a server rewrites the address of the peer, so a network proves nothing",
        f"write `from: {CONDITION_HEADER}`, and let the gateway send the secret",
    ),
    (
        ("issuers", "*", "renewal"),
        "each token shows what it can prove, and a refreshed token alone proves no sign-in",
        "remove it; where every token has an `auth_time`, write `evidence: auth_time`",
    ),
)
#: path of an old key (``*``: any key or index) -> the name that replaces its last step
RENAMED: Final[Mapping[Path, str]] = {
    ("accounts", "*", "at_once"): "max_concurrency",
    ("accounts", "*", "mandates"): "delegations",
    ("audit", "checkpoint", "or"): "max_interval",
    ("audit", "keep"): "retention",
    ("audit", "rotate", "or"): "max_age",
    ("channels", "carry"): "trusts",
    ("fallbacks", "*", "say"): "message",
    ("issuers", "*", "sender"): "sender_constraint",
    ("rollback", "say"): "message",
    ("transactions", "answers"): "response_retention",
    ("verifiers", "*", "asks"): "interactive",
    ("verifiers", "*", "at_once"): "max_concurrency",
}


#: conditions whose values were those of `channel_change`
_CHANNELS: Final[tuple[Path, ...]] = (("decisions", "*", "when", "channel"), ("invariants", "*", "never", "channel"))
#: values that `channel` had and no channel has
_CHANGES: Final = frozenset({"same", "switched"})


def report_removed_keys(tree: Node) -> tuple[Node, tuple[Problem, ...]]:
    """Report removed and renamed keys, one problem each.

    Returns:
        The tree without the removed keys, and with the renamed keys under their new names, so that the rest of the
        policy is checked too; and the problems.
    """
    problems: list[Problem] = []
    dropped: set[Path] = set()
    for pattern, why, advice in REMOVED:
        for path, node in find_matches(tree, pattern, ()):
            dropped.add(path)
            message = f"{quote(format_path(path))} is no longer a key: {why}"
            problems.append(Problem(code="removed-key", place=node.place, message=message, advice=advice))
    renamed: dict[Path, str] = {}
    changes = [(path, node) for pattern in _CHANNELS for path, node in find_matches(tree, pattern, ())]
    changed = [(path, node, "channel_change") for path, node in changes if _CHANGES & set(_words(node))]
    moved = [(*found, name) for pattern, name in RENAMED.items() for found in find_matches(tree, pattern, ())]
    for path, node, name in (*moved, *changed):
        renamed[path] = name
        message = f"{quote(path[-1])} is now `{name}`"
        problems.append(Problem(code="renamed-key", place=node.place, message=message, advice=f"write `{name}: ...`"))
    tree = _rename_keys(tree, renamed, ()) if renamed else tree
    return (remove_paths(tree, dropped, ()) if dropped else tree), tuple(problems)


def _words(node: Node) -> list[object]:
    return [one.value for one in node.items() or (node,) if isinstance(one.value, str)]


def _rename_keys(node: Node, renamed: Mapping[Path, str], path: Path) -> Node:
    value = node.value
    if isinstance(value, dict):
        entries: dict[str, Node] = {}
        for key, inner in value.items():
            name = renamed.get((*path, key), key)
            if name == key or name not in value:  # of both names in one mapping, the new one counts
                entries[name] = _rename_keys(inner, renamed, (*path, key))
        value = entries
    elif isinstance(value, tuple):
        value = tuple(_rename_keys(inner, renamed, (*path, index)) for index, inner in enumerate(value))
    return Node(value, node.place, node.is_valid)

"""Apply the preset of an identity provider: its keys are the defaults of an issuer that names it.

A preset is one file of `policy/providers`: documentation of the provider (`title`, `sources`, `date`, `setup`,
`cannot`), and `defaults`, the keys of one entry of ``issuers``. Keys of the policy replace those of the preset, and
entries of `MERGED` are merged by key, so that an added requirement keeps the preset's.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from authguard.policy.loading.parsed_file import read_parsed
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.problem import Problem, did_you_mean
from authguard.policy.tree import Node, quote

_FOLDER: Final = Path(__file__).parents[1] / "providers"
#: assurance levels of the presets, weakest first
LEVELS: Final = ("aal1", "aal2", "aal3")
#: keys whose entries are merged with the preset's
MERGED: Final = frozenset({"claims", "require", "machine"})


class Preset(Struct, frozen=True):
    """The preset of one identity provider.

    Attributes:
        name: name of the file.
        title: name of the provider and of the kind of token.
        date: day on which the documentation was read.
        sources: URLs of the documentation.
        setup: settings at the provider, one sentence each.
        cannot: what the provider's tokens cannot prove, one sentence each.
        example: an ``issuer`` and an ``audience``, for documentation and tests.
        writes_scopes: whether its tokens have scopes without further settings.
        defaults: keys of an issuer.
    """

    name: str
    title: str
    date: str
    sources: tuple[str, ...]
    setup: tuple[str, ...]
    cannot: tuple[str, ...]
    example: dict[str, str]
    writes_scopes: bool
    defaults: Node

    def can_prove(self, level: str) -> bool:
        """Return whether a sign-in at the provider can reach an assurance level; without `levels`, any ``acr`` may."""
        levels = self.defaults.entries().get("levels")
        if levels is None:
            return True
        entries = levels.entries()
        reached = [entries["none"]] if "none" in entries else []
        reached += entries["map"].entries().values() if "map" in entries else []
        return any(node.value == level for node in reached)


def list_presets() -> tuple[str, ...]:
    """Return the names of the shipped presets, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def preset_path(name: str) -> Path:
    """Return the path of the file of a preset."""
    return _FOLDER / f"{name}.yaml"


@cache
def load_preset(name: str) -> Preset:
    """Return a shipped preset.

    Raises:
        KeyError: there is no preset of this name.
    """
    if name not in list_presets():
        raise KeyError(name)
    path = preset_path(name)
    data, shown = path.read_bytes(), f"providers/{path.name}"
    entries = (read_parsed(data, shown) or parse_yaml(data, shown)).tree.entries()

    def texts(key: str) -> tuple[str, ...]:
        return tuple(str(item.value) for item in entries[key].items()) if key in entries else ()

    return Preset(
        name=name,
        title=str(entries["title"].value),
        date=str(entries["date"].value),
        sources=texts("sources"),
        setup=texts("setup"),
        cannot=texts("cannot"),
        example={key: str(node.value) for key, node in entries["example"].entries().items()},
        writes_scopes="writes_scopes" not in entries or entries["writes_scopes"].value is not False,
        defaults=entries["defaults"],
    )


def apply_presets(document: Node) -> tuple[Node, tuple[Problem, ...]]:
    """Complete the issuers of a merged document with the keys of their presets.

    Args:
        document: the merged tree.

    Returns:
        The completed tree, and a problem for each unknown provider.
    """
    listed = document.entries().get("issuers")
    if listed is None or not isinstance(listed.value, tuple):
        return document, ()
    problems: list[Problem] = []
    issuers = tuple(_apply(issuer, problems) for issuer in listed.items())
    completed = Node(issuers, listed.place, listed.is_valid)
    return Node({**document.entries(), "issuers": completed}, document.place, document.is_valid), tuple(problems)


def _apply(issuer: Node, problems: list[Problem]) -> Node:
    provider = issuer.entries().get("provider")
    if provider is None or not isinstance(provider.value, str):
        return issuer
    try:
        defaults = load_preset(provider.value).defaults.entries()
    except KeyError:
        message = f"there is no preset of a provider {quote(provider.value)}"
        advice = did_you_mean(provider.value[:64], list_presets())
        problems.append(Problem(code="provider-unknown", place=provider.place, message=message, advice=advice))
        return issuer
    merged = dict(issuer.entries())
    for key, default in defaults.items():
        own = merged.get(key)
        if own is None:
            merged[key] = default
        elif key in MERGED:
            merged[key] = _merge(default, own)
    return Node(merged, issuer.place, issuer.is_valid)


def _merge(default: Node, own: Node) -> Node:
    """Merge two mappings; a list of claims is a mapping without values."""
    before, after = (_to_mapping(node) for node in (default, own))
    if not isinstance(before.value, dict) or not isinstance(after.value, dict):
        return own
    return Node({**before.value, **after.value}, own.place, own.is_valid)


def _to_mapping(node: Node) -> Node:
    names = [item for item in node.items() if isinstance(item.value, str)]
    if not isinstance(node.value, tuple) or len(names) < len(node.value):
        return node
    return Node({str(item.value): Node((), item.place) for item in names}, node.place, node.is_valid)

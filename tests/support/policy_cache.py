"""Cache of parsed policy files: parsing the YAML of the base takes nine tenths of the load time.

Only files without a problem are kept, by their bytes and their name. The tests of the reader call the reader itself.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Final

import httpcore2

from authguard.policy.loading import loader, yaml_parser, yaml_scalar
from authguard.policy.testing import parser

if TYPE_CHECKING:
    import pytest

    from authguard.policy.loading.yaml_parser import ParsedYaml

#: files that are kept, and how long each may be in bytes
FILES: Final = 64
LONGEST: Final = 65_536


class ParsedFileCache:
    """Reads a file as the reader does, and keeps what came of it; a tree is never changed."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[bytes, str, bool], ParsedYaml] = OrderedDict()

    def read(
        self, data: bytes, file: str, nodes_bound: int = yaml_scalar.MAX_NODES, *, listed: bool = False
    ) -> ParsedYaml:
        """Read one file, or give what was read before under every bound that it keeps."""
        name = (data, file, listed)
        kept = self._kept.get(name)
        if kept is not None and kept.nodes < nodes_bound:
            self._kept.move_to_end(name)
            return kept
        found = yaml_parser.parse_yaml(data, file, nodes_bound, listed=listed)
        if not found.problems and len(data) <= LONGEST:
            self._kept[name] = found
            while len(self._kept) > FILES:
                self._kept.popitem(last=False)
        return found


def cache_certificates(patch: pytest.MonkeyPatch) -> None:
    """Let the certificates that this machine trusts be read once, not for each client: that takes 20 ms."""
    patch.setattr(httpcore2, "default_ssl_context", cache(httpcore2.default_ssl_context))


def cache_parsed_files(patch: pytest.MonkeyPatch) -> None:
    """Let policies and scenarios be read through one `ParsedFileCache`."""
    readings = ParsedFileCache()
    for module in (loader, parser):
        patch.setattr(module, "parse_yaml", readings.read)

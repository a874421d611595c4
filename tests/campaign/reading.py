"""Loads documents of the campaign through the real loader, checks and compiler, with a quick parser of their JSON form.

The YAML of a document takes nine tenths of its load time. A document is written as JSON, a subset of YAML; its tree is
built from that here, and `test_document.py` holds it equal to what the real parser reads.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from msgspec import Struct

from authguard.errors import PolicyError
from authguard.policy.checks.registry import run_checks
from authguard.policy.compiler import compile_draft
from authguard.policy.loading import loader, yaml_parser
from authguard.policy.loading.yaml_parser import ParsedYaml
from authguard.policy.problem import Place
from authguard.policy.tree import Node
from tests.campaign.document import write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.policy import Policy
    from authguard.policy.draft import Draft
    from tests.campaign.document import Document

#: name of the file in places
FILE: Final = "campaign.yaml"
NOWHERE: Final = Path()


class Accepted(Struct, frozen=True):
    """A policy that `policy check` accepts.

    Attributes:
        document: as drawn.
        draft: checked.
        policy: compiled.
    """

    document: Document
    draft: Draft
    policy: Policy


class Refused(Struct, frozen=True):
    """A policy that `policy check` refuses.

    Attributes:
        codes: of the errors.
        messages: of the errors.
    """

    codes: tuple[str, ...]
    messages: tuple[str, ...]


def read(document: Document, folder: Path = NOWHERE) -> Accepted | Refused:
    """Load and check a document as `policy check` does, and compile it if it is accepted.

    Args:
        document: as drawn.
        folder: with the keys of the issuer.
    """
    reading = loader.load_draft(folder / FILE, text=write(document))
    problems = [*reading.problems, *(run_checks(reading.draft) if reading.draft else ())]
    errors = [one for one in problems if one.severity == "error"]
    if reading.draft is None or errors:
        return Refused(tuple(one.code for one in errors), tuple(one.message for one in errors))
    return Accepted(document, reading.draft, compile_draft(reading.draft))


def require(document: Document, folder: Path = NOWHERE) -> Accepted:
    """Load a document that must be accepted.

    Raises:
        PolicyError: it is refused.
    """
    found = read(document, folder)
    if isinstance(found, Refused):
        raise PolicyError(()) from AssertionError(found.messages)
    return found


@contextmanager
def quick_parser() -> Iterator[None]:
    """Let the loader read the JSON of campaign documents without the YAML parser."""

    def parse(data: bytes, file: str, *bounds: Any, **more: Any) -> ParsedYaml:
        if file.endswith(FILE):
            return parse_json(data, file)
        return yaml_parser.parse_yaml(data, file, *bounds, **more)

    with patch.object(loader, "parse_yaml", parse):
        yield


def parse_json(data: bytes, file: str) -> ParsedYaml:
    """Parse a document; each value has the place of the file's start."""
    start = Place(file, 1, 1)

    def build(value: Any) -> Node:
        if isinstance(value, dict):
            return Node({key: build(one) for key, one in value.items()}, start)
        return Node(tuple(map(build, value)) if isinstance(value, list) else value, start)

    return ParsedYaml(build(json.loads(data)), (), 1)


def parse_slowly(data: bytes) -> ParsedYaml:
    """Parse a document as the real parser does."""
    return yaml_parser.parse_yaml(data, FILE)

"""Validate log lines against the shipped schema: those that a process writes, and those in a folder.

A line in a file counts where its hash is right, unless a test says that it wrote the file by hand (`skip_validation`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import fastjsonschema
import msgspec

from authguard.records.chain import Violation, parse_line
from authguard.records.record_schema import record_schema

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_KIND: Final = re.compile(rb'\{"kind":"([a-z]{1,20})"')


_by_hand: Final[set[Path]] = set()


def skip_validation(path: Path) -> None:
    """Say that the lines of a file, or of a folder, are a test's own, and not the code's."""
    _by_hand.add(path)


class RecordValidator:
    """The shipped schema, compiled: one function per kind of record, so that a complaint names what is wrong."""

    def __init__(self) -> None:
        self._kinds: dict[str, Callable[[Any], Any]] = {
            name: fastjsonschema.compile(_older(schema)) for name, schema in record_schema()["$defs"].items()
        }
        self.wrong: list[str] = []

    def line(self, line: bytes) -> None:
        """Hold one line against the schema.

        Raises:
            AssertionError: it is no record by it, and why.
        """
        kind = _KIND.match(line)
        check = self._kinds.get(kind[1].decode()) if kind else None
        said = f"a line of no known kind: {line[:200]!r}"
        if check is not None:
            try:
                check(msgspec.json.decode(line))
            except fastjsonschema.JsonSchemaValueException as error:
                said = f"a line is no record by the schema: {error.message}: {line!r}"
            else:
                return
        self.wrong.append(said)  # what is raised here, a guard may take for a fault of its own
        raise AssertionError(said)

    def folder(self, folder: Path) -> None:
        """Hold the lines of every log in a folder against the schema.

        Raises:
            AssertionError: one is no record by it.
        """
        for path in folder.rglob("*.jsonl"):
            if path.is_symlink() or not path.is_file() or not _by_hand.isdisjoint({path, *path.parents}):
                continue
            with path.open("rb") as file:
                for line in file:
                    if not isinstance(parse_line(line), Violation):
                        self.line(line)


def _older(schema: dict[str, Any]) -> dict[str, Any]:
    """Say the same in the dialect that the compiler knows: an array with a form for each place."""
    made = dict(schema)
    for name, form in schema["properties"].items():
        if "prefixItems" in form:
            placed = {**form, "items": form["prefixItems"]}
            made = {**made, "properties": {**made["properties"], name: placed}}
    return made

"""Write the parsed tree of the standard policy beside it: `python scripts/parsed_policy.py [--check]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from authguard.policy.loading.locator import find_shipped
from authguard.policy.loading.parsed_file import format_parsed, parsed_path
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

HOW = "python scripts/parsed_policy.py"


def main(wanted: Sequence[str]) -> int:
    """Write the file, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    file = find_shipped("standard")
    data = file.path.read_bytes()
    text = format_parsed(data, parse_yaml(data, file.shown))
    target = parsed_path(file.path)
    if not wanted:
        target.write_text(text, "utf-8")
        return 0
    if not target.exists() or target.read_text("utf-8") != text:
        sys.stderr.write(f"{target.name} is not that of {file.path.name}: run `{HOW}`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

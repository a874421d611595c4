"""Write the parsed trees of the shipped policies: `python scripts/parsed_policy.py [--check]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from authguard.policy.loading.locator import find_shipped, shipped_policies
from authguard.policy.loading.parsed_file import format_parsed, parsed_path
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.policy.loading.locator import PolicyFile

HOW = "python scripts/parsed_policy.py"


def main(wanted: Sequence[str]) -> int:
    """Write the file, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    files = [find_shipped(name) for name in shipped_policies()]
    wrong = [file.shown for file in files if not _update(file, write=not wanted)]
    if wrong:
        sys.stderr.write(f"the parsed trees of {', '.join(wrong)} are not those of the files: run `{HOW}`\n")
    return bool(wrong)


def _update(file: PolicyFile, *, write: bool) -> bool:
    """Write the tree of a policy, or return whether it is that of the file."""
    data = file.path.read_bytes()
    text = format_parsed(data, parse_yaml(data, file.shown))
    target = parsed_path(file.shown)
    if write:
        target.parent.mkdir(exist_ok=True)
        target.write_text(text, "utf-8")
    return target.exists() and target.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

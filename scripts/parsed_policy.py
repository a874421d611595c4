"""Write the parsed trees of the shipped policies and presets: `python scripts/parsed_policy.py [--check]`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from authguard.policy.loading.locator import find_shipped, shipped_policies
from authguard.policy.loading.parsed_file import format_parsed, parsed_path
from authguard.policy.loading.preset import list_presets, preset_path
from authguard.policy.loading.yaml_parser import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOW = "python scripts/parsed_policy.py"


def main(wanted: Sequence[str]) -> int:
    """Write the file, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    files = {file.shown: file.path for file in map(find_shipped, shipped_policies())}
    files |= {f"providers/{name}.yaml": preset_path(name) for name in list_presets()}
    wrong = [shown for shown, path in files.items() if not _update(shown, path, write=not wanted)]
    if wrong:
        sys.stderr.write(f"the parsed trees of {', '.join(wrong)} are not those of the files: run `{HOW}`\n")
    return bool(wrong)


def _update(shown: str, path: Path, *, write: bool) -> bool:
    """Write the tree of a file, or return whether it is that of the file."""
    data = path.read_bytes()
    text = format_parsed(data, parse_yaml(data, shown))
    target = parsed_path(shown)
    if write:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    return target.exists() and target.read_text("utf-8") == text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Build the documentation site in `site/` with MkDocs, in strict mode: a broken link or anchor fails the build.

The pages keep their places relative to each other, so a link works in the repository and on the site. They are copied
to `build/site`, because MkDocs reads one folder and the pages are in several.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HOW: Final = "make docs"
ROOT: Final = Path(__file__).resolve().parents[1]
STAGED: Final = ROOT / "build" / "site"
CONFIG: Final = ROOT / "mkdocs.yml"
#: pages, and the files that they show or link to
PATTERNS: Final = (
    "*.md",
    "LICENSE",
    "docs/**/*.md",
    "docs/*.svg",
    "policies/*.json",
    "policies/*/*.md",
    "policies/*/*.yaml",
    "examples/*/*.md",
    "examples/*/*.yaml",
)


def stage(root: Path, target: Path) -> list[str]:
    """Copy the pages to a folder that contains nothing else.

    Args:
        root: of the repository.
        target: folder; what it contained is deleted.

    Returns:
        The copied files, relative to both folders.
    """
    shutil.rmtree(target, ignore_errors=True)
    copied = sorted({str(path.relative_to(root)) for pattern in PATTERNS for path in root.glob(pattern)})
    for name in copied:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target / name)
    return copied


def main() -> int:
    """Build the site; return the exit code of MkDocs."""
    stage(ROOT, STAGED)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--config-file", str(CONFIG)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an advertisement of the theme
    return subprocess.run(command, cwd=ROOT, env=environ, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())

"""Run every command that reads a log on a log in a read-only folder; print what each says and leaves, as JSON.

``python -m tests.support.without_privilege tests.cli.read_only_program FOLDER CACHE [FILE]``. FOLDER has `audit.jsonl`
and is made read-only. CACHE is a folder for the user's cache, or empty for a user without one. FILE of the folder is
made unreadable.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Final

from authguard.cli import main as run_cli

COMMANDS: Final = (
    "audit query",
    "audit query --json --kind decision",
    "audit show b",
    "audit stats",
    "audit timeline 5e55",
    "audit explain b --policy standard",
    "audit export",
    "audit replay --policy standard",
    "audit report",
    "audit tail",
    "audit verify",
)


def main() -> None:
    """Run the commands."""
    folder, cache = Path(sys.argv[1]), sys.argv[2]
    os.environ["XDG_CACHE_HOME"] = cache or str(folder / "cache")
    os.environ["AUTHGUARD_AUDIT_LOG"] = str(folder / "audit.jsonl")
    for name in sys.argv[3:]:
        (folder / name).chmod(0)
    folder.chmod(0o555)
    os.chdir(folder)
    found = {}
    try:
        for command in COMMANDS:
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    run_cli(command.split())
                    code = 0
                except SystemExit as end:
                    code = end.code if isinstance(end.code, int) else 0
            found[command] = (code, out.getvalue(), err.getvalue(), sorted(map(str, folder.rglob("*"))))
    finally:
        folder.chmod(0o755)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

"""Run each command of a JSON object on the command line; print the exit code and the errors of each, as JSON."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from authguard.cli import main as run_cli

#: exit code of a traceback
TRACEBACK = 99


def call(words: list[str], given: str) -> tuple[int, str]:
    """Run a command with this standard input."""
    errors = io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            run_cli(words)
    except SystemExit as end:
        return int(end.code or 0), errors.getvalue()
    except BaseException as error:  # noqa: BLE001 - what would be a traceback is the finding
        return TRACEBACK, f"{type(error).__name__}: {error}"
    return 0, errors.getvalue()


if __name__ == "__main__":
    token = sys.stdin.read()
    sys.stdout.write(json.dumps({name: call(words, token) for name, words in json.loads(sys.argv[1]).items()}))

"""Run every command on damaged copies of a deployment; print what each says, as JSON.

``python -m tests.cli.damaged_deployment_program DAMAGE DEPLOYMENT FOLDER``: DAMAGE is a name of `DAMAGES`, DEPLOYMENT
the attributes of a `tests.cli.operated_app.OperatedApp` as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import sys
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.cli.command_table import COMMANDS
from tests.cli.calls import arguments
from tests.cli.operated_app import OperatedApp
from tests.cli.reading_user_program import call

if TYPE_CHECKING:
    from collections.abc import Callable

#: bytes that are overwritten in the middle of a file
DAMAGED_BYTES: Final = 4096
#: the issuer is on the network, and has no files
COMMAND_WORDS: Final = tuple(one.words for one in COMMANDS if one.words != "issuer check")


def _to_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _to_loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _overwrite(path: Path) -> None:
    content = path.read_bytes()
    half = len(content) // 2
    lost = content[half : half + DAMAGED_BYTES]
    path.write_bytes(content[:half] + b"\xff" * len(lost) + content[half + len(lost) :])


def _each(folder: Path, damage: Callable[[Path], object]) -> None:
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        damage(path)


def _query(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "var" / "authguard.db", isolation_level=None)) as store:
        for statement in statements:
            store.execute(statement)


DAMAGES: Final[dict[str, Callable[[Path], object]]] = {
    "folders in place of files": partial(_each, damage=_to_folder),
    "pipes in place of files": partial(_each, damage=_to_pipe),
    "links to themselves": partial(_each, damage=_to_loop),
    "binary files": partial(_each, damage=lambda path: path.write_bytes(bytes(range(256)) * 64)),
    "empty files": partial(_each, damage=lambda path: path.write_bytes(b"")),
    "files cut in half": partial(_each, damage=lambda path: os.truncate(path, path.stat().st_size // 2)),
    "files with a damaged middle": partial(_each, damage=_overwrite),
    "a store with damaged records": lambda folder: _query(
        folder, "UPDATE records SET value = x'ff00'", "UPDATE documents SET value = x'ff00'"
    ),
    "a store of a newer version": lambda folder: _query(folder, "PRAGMA user_version = 99"),
}


def main() -> None:
    """Run the commands."""
    damage, deployment, folder = sys.argv[1:]
    values = json.loads(deployment)
    original = values.pop("folder")
    made = OperatedApp(**values, folder=Path(folder))
    os.environ.update(made.variables)
    found = {}
    for words in COMMAND_WORDS:
        os.chdir("/")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(original, folder)
        os.chdir(folder)
        DAMAGES[damage](Path(folder))
        found[words] = call(arguments(words, made, ""), made.token)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

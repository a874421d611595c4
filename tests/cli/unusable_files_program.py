"""Start a guard and run every command on files and folders that cannot be used; print what each says, as JSON.

``python -m tests.support.without_privilege tests.cli.unusable_files_program FOLDER``. The output has, by case, the exit
code (-1 for a guard that does not start) and the message; a traceback is an exit code of 99.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from authguard import AuthGuard
from authguard.cli import main as run_cli
from authguard.errors import AuthguardError
from tests.cli.deployment import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED: Final = 0
NOT_STARTED: Final = -1
TRACEBACK: Final = 99
#: commands that need the app's store, and commands that need its log
STORE_COMMANDS: Final = (
    "rollback status",
    "rollback engage --by Ines --reason why",
    f"sessions show {'ab' * 16}",
    "accounts show x",
    "transactions list",
    "handoff list",
)
LOG_COMMANDS: Final = (
    "audit tail",
    "audit query",
    "audit verify",
    "audit stats",
    "audit report",
    "audit export",
    "audit show x",
    "audit explain x",
    "audit maintain",
    "audit keys show",
    "audit accept x --by Ines --reason why",
    "audit erase x --by Ines --reason why --yes",
)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve nothing: only the lifespan of the guard is of interest."""
    raise NotImplementedError


def start(folder: Path, **settings: Any) -> tuple[int, str]:
    """Start and stop a guard as a server does; return -1 and the message if it does not start."""
    events = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(events)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def serve(guard: AuthGuard) -> None:
        with contextlib.suppress(AuthguardError):
            await guard({"type": "lifespan"}, receive, send)

    os.chdir(folder)
    try:
        guard = AuthGuard(app, policy=folder.parents[0] / "policy.yaml", environ={}, **settings)
    except AuthguardError as error:
        return NOT_STARTED, str(error)
    anyio.run(serve, guard)
    failed = next((message for message in sent if message["type"] == "lifespan.startup.failed"), None)
    return (NOT_STARTED, failed["message"]) if failed else (STARTED, "")


def call(folder: Path, *, words: list[str], **variables: str) -> tuple[int, str]:
    """Run a command in a folder; return its exit code and what it says on standard error."""
    os.chdir(folder)
    errors = io.StringIO()
    os.environ.update(variables)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            run_cli(words)
    except SystemExit as end:
        return int(end.code or 0), errors.getvalue()
    except BaseException as error:  # noqa: BLE001 - what would be a traceback is the finding
        return TRACEBACK, f"{type(error).__name__}: {error}"
    finally:
        for name in variables:
            del os.environ[name]
    return 0, errors.getvalue()


def cases(root: Path) -> dict[str, Callable[[], tuple[int, str]]]:
    """Prepare the folders; return the cases by name."""

    def made(name: str, mode: int = 0o700) -> Path:
        folder = root / name
        folder.mkdir()
        folder.chmod(mode)
        return folder

    (root / "policy.yaml").write_text(POLICY, "utf-8")
    os.environ["AUTHGUARD_POLICY"] = str(root / "policy.yaml")
    used, file, free = made("used"), root / "file", made("free")
    file.touch()
    assert start(used)[0] == STARTED
    shut = made("shut", 0o555)
    locked = made("locked", 0o000)
    taken = made("taken")
    assert start(taken)[0] == STARTED
    for path in (taken / "var").iterdir():
        path.chmod(0)
    frozen = made("frozen")
    assert start(frozen)[0] == STARTED
    (frozen / "var").chmod(0o500)
    memory = made("memory")
    (memory / "s.db.heads").touch()
    mine = used / "var" / "audit.jsonl"
    found: dict[str, Callable[[], tuple[int, str]]] = {
        "start: in a read-only folder": lambda: start(shut),
        "start: the folder of the store cannot be entered": lambda: start(free, store=locked / "s.db"),
        "start: a file in place of the store's folder": lambda: start(free, store=file / "s.db"),
        "start: a folder in place of the store": lambda: start(free, store=free),
        "start: a file in place of the log's folder": lambda: start(free, audit_log=file / "a.jsonl"),
        "start: a folder in place of the log": lambda: start(free, audit_log=free),
        "start: a read-only folder for the log": lambda: start(free, audit_log=shut / "x" / "a.jsonl"),
        "start: no file of the signing key": lambda: start(free, signing_key=free / "none"),
        "start: a folder in place of the signing key": lambda: start(free, signing_key=free),
        "start: a read-only folder for an anchor": lambda: start(free, anchors=[shut / "anchor"]),
        "start: a file in place of the checkpoint memory": lambda: start(free, store=memory / "s.db"),
        "start: files of somebody else": lambda: start(taken),
        "start: a folder that became read-only": lambda: start(frozen),
        "start: a home that nobody expanded": lambda: start(free, store="~/s.db"),
    }
    for name in ("authguard.db.key", "authguard.db.signing", "authguard.db.names"):

        def unreadable(name: str = name) -> tuple[int, str]:
            path = used / "var" / name
            path.chmod(0)
            try:
                return start(used)
            finally:
                path.chmod(0o600)

        found[f"start: an unreadable {name.rpartition('.')[2]} file"] = unreadable
    for command in STORE_COMMANDS:
        run = partial(call, words=command.split())
        name = " ".join(command.split()[:2])
        found |= {
            f"{name}: nothing there": partial(run, free),
            f"{name}: files of somebody else": partial(run, taken),
            f"{name}: a read-only folder": partial(run, frozen),
            f"{name}: a file in place of the folder": partial(run, free, AUTHGUARD_STORE=str(file / "s.db")),
            f"{name}: a folder that cannot be entered": partial(run, free, AUTHGUARD_STORE=str(locked / "s.db")),
        }
    for command in LOG_COMMANDS:
        run = partial(call, words=command.split())
        name = " ".join(command.split()[: 3 if " keys " in command else 2])
        found |= {
            f"{name}: nothing there": partial(run, free),
            f"{name}: files of somebody else": partial(run, taken),
            f"{name}: a file in place of the folder": partial(
                run, free, AUTHGUARD_AUDIT_LOG=str(file / "a.jsonl"), AUTHGUARD_STORE=str(file / "s.db")
            ),
            f"{name}: a folder that cannot be entered": partial(
                run, free, AUTHGUARD_AUDIT_LOG=str(locked / "a.jsonl"), AUTHGUARD_STORE=str(locked / "s.db")
            ),
        }
    commands = {
        "audit export: to a read-only folder": (used, f"audit export --log {mine} --output {shut}/out"),
        "audit report: to a read-only folder": (used, f"audit report --log {mine} --output {shut}/out"),
        "policy graph: to a read-only folder": (used, f"policy graph standard --output {shut}/out"),
        "policy init: in a read-only folder": (shut, "policy init mine --yes"),
        "policy init: a file in place of the folder": (free, f"policy init {file}/x --yes"),
        "policy check: a policy that cannot be read": (free, f"policy check {locked}/policy.yaml"),
        "audit keys generate: in a read-only folder": (shut, "audit keys generate"),
        "audit keys rotate: in a read-only folder": (frozen, "audit keys rotate"),
    }
    return found | {name: partial(call, where, words=words.split()) for name, (where, words) in commands.items()}


def main() -> None:
    """Run every case in the given folder."""
    root = Path(sys.argv[1])
    found = {name: case() for name, case in cases(root).items()}
    for folder in ("shut", "locked", "frozen/var"):
        (root / folder).chmod(0o700)
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

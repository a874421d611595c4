"""Run the `authguard` command in a fork of a process that has imported it, since imports take most of its time.

`command_folder()` starts that process once and returns a folder for `PATH`. The `authguard` in it hands its arguments,
folder, environment and standard streams over, and ends with the exit code. tests/cli runs the real console script too.
"""

from __future__ import annotations

import array
import atexit
import importlib
import io
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import NoReturn

ROOT: Final = Path(__file__).resolve().parents[2]
STREAMS: Final = 3
#: the command: it must start quickly, so it imports next to nothing and reads no site packages
CLIENT: Final = """\
#!{python} -IS
import array, os, signal, socket, sys
try:
    cwd = os.getcwd()
except OSError:
    cwd = ""
line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
streams = array.array("i", (0, 1, 2))
parts = [cwd, str(len(sys.argv)), *sys.argv, *(name + "=" + value for name, value in os.environ.items())]
request = "\\0".join(parts).encode("utf-8", "surrogateescape")
line.sendmsg([len(request).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
line.sendall(request)
heard = line.makefile("rb")
pid = int(heard.readline() or 0)
for number in (signal.SIGINT, signal.SIGTERM):
    if signal.getsignal(number) is not signal.SIG_IGN:
        signal.signal(number, lambda number, _: os.kill(pid, number))
code = heard.readline()
os._exit(int(code) if code else 70)
"""


@cache
def command_folder() -> Path:
    """Start the server, and return the folder that holds its `authguard`; both go when this process ends."""
    kept = tempfile.TemporaryDirectory(prefix="authguard-command-")
    folder = Path(kept.name)
    address = folder / "socket"
    command = folder / "authguard"
    command.write_text(CLIENT.format(python=sys.executable, address=str(address)), "utf-8")
    command.chmod(0o755)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(address))
    listening.listen(64)  # a command that comes before the imports are done waits
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AUTHGUARD_")}
    server = subprocess.Popen(  # noqa: S603 - this interpreter and this module
        [sys.executable, "-m", "tests.support.command_server", str(listening.fileno())],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        pass_fds=[listening.fileno()],
    )
    listening.close()
    owner = os.getpid()

    def stop() -> None:
        if os.getpid() == owner and server.stdin is not None:
            server.stdin.close()  # which is what it waits for
            server.wait()
            kept.cleanup()

    atexit.register(stop)
    return folder


def serve(listening: socket.socket) -> None:
    """Fork for each command, until the standard input ends."""
    import_all()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt from the keyboard is the command's
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for a child: it answers by itself
    while True:
        ready, _, _ = select.select([listening.fileno(), 0], [], [])
        if 0 in ready:
            return
        line, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            run(line)
        line.close()


def import_all() -> None:
    """Import every command, and read the policies that are shipped once."""
    import pytest  # noqa: PLC0415 - only the server needs it

    from authguard import cli, policy  # noqa: PLC0415 - the same
    from authguard.policy.loading import loader  # noqa: PLC0415 - the same
    from tests.support.policy_cache import cache_parsed_files  # noqa: PLC0415 - the same

    for package in (cli, policy):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    for name in ("anyio._backends._asyncio", "rich.table", "typer.rich_utils"):
        importlib.import_module(name)
    cache_parsed_files(pytest.MonkeyPatch())
    for shipped in (ROOT / "policies").glob("*/policy.yaml"):
        loader.load_draft(shipped)


def run(line: socket.socket) -> NoReturn:
    """Become the command that a client asks for, and tell it the exit code."""
    code = 1
    try:
        streams, cwd, arguments, environ = receive(line)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        line.sendall(f"{os.getpid()}\n".encode())
        if cwd:
            os.chdir(cwd)
        os.environ.clear()
        os.environ.update(environ)
        sys.argv = arguments
        sys.path[0] = str(Path(sys.executable).parent)
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0)), "utf-8")
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w")), "utf-8", line_buffering=os.isatty(1))
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), "utf-8", "backslashreplace", write_through=True)
        code = call()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001 - a child never runs its parent's code
        traceback.print_exc()
    finally:
        line.sendall(f"{code}\n".encode())
        os._exit(code)


def call() -> int:
    """Run the command, as the console script does, and return its exit code."""
    from authguard.cli import main  # noqa: PLC0415 - the client's side does not need it

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)  # noqa: T201 - as Python does
            return 1
        return end.code or 0
    return 0


def receive(line: socket.socket) -> tuple[list[int], str, list[str], dict[str, str]]:
    """Read a request: three streams, the folder, the arguments with the program's name, and the environment."""
    head, control, _, _ = line.recvmsg(8, socket.CMSG_SPACE(STREAMS * array.array("i").itemsize))
    streams = array.array("i")
    streams.frombytes(control[0][2])
    size, text = int.from_bytes(head, "big"), b""
    while len(text) < size:
        text += line.recv(size - len(text))
    cwd, number, *rest = text.decode("utf-8", "surrogateescape").split("\0")
    arguments, variables = rest[: int(number)], rest[int(number) :]
    return streams.tolist(), cwd, arguments, dict(variable.split("=", 1) for variable in variables)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))

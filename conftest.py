"""Every code block of README and docs is a test, and tests that share something costly run in one process.

In README and docs files are written, Python runs, shell commands succeed.
A block whose first line is a comment with a file's name (``# policy.yaml``) is written to that file in a folder of the
document's own; Python blocks run there, shell blocks too, in the order of the page.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser
from xdist.scheduler import LoadScopeScheduling

from tests.support.command_server import command_folder
from tests.support.coverage_tracing import Followed, only_imports
from tests.support.kind_table import LONGEST_FIRST, mark, marked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sybil import Example

_FILE = re.compile(r"#\s*([\w./-]+\.(?:py|yaml))\s*$", re.MULTILINE)
_SECONDS = 600
#: ports in README, which another run or server on the same machine may be using
_PORTS = ("9417", "9418")
_TOGETHER = ("tests/faults/",)


def _enter(namespace: dict[str, Any]) -> None:
    namespace["folder"] = tempfile.TemporaryDirectory(prefix="authguard-docs-")
    namespace["cwd"] = Path.cwd()
    namespace["environ"] = dict(os.environ)
    namespace["ports"] = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    os.chdir(namespace["folder"].name)
    sys.path.insert(0, namespace["folder"].name)
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def _leave(namespace: dict[str, Any]) -> None:
    os.chdir(namespace["cwd"])
    sys.path.remove(namespace["folder"].name)
    os.environ.clear()
    os.environ.update(namespace["environ"])
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(namespace["folder"].name):
            del sys.modules[name]
    namespace["folder"].cleanup()


def _free_ports(number: int) -> list[str]:
    """Return ports of loopback on which nothing listens."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [str(one.getsockname()[1]) for one in sockets]


def _source(example: Example) -> str:
    """Return a block's text, with free ports for those of the page."""
    text = str(example.parsed)
    for port, free in example.namespace["ports"].items():
        text = text.replace(port, free)
    return text


def _keep(source: str) -> bool:
    """Write a block that names its file; return whether it did."""
    named = _FILE.match(source)
    if named:
        path = Path(named.group(1))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, "utf-8")
    return named is not None


def _python(example: Example) -> None:
    source = _source(example)
    if not _keep(source):
        code = compile(source, f"{example.path}:{example.line}", "exec")
        exec(code, example.namespace)  # noqa: S102 - that is what a test of the documentation does


def _yaml(example: Example) -> None:
    assert _keep(_source(example)), "a YAML block in the docs names its file, so that something reads it"  # noqa: S101


def _shell(example: Example) -> None:
    source = _source(example)
    folders = [str(command_folder())] if "authguard" in source else []
    done = subprocess.run(  # noqa: S603 - the documentation's own commands
        ["/bin/sh", "-eu", "-c", source],
        env=os.environ | {"PATH": os.pathsep.join([*folders, os.environ["PATH"]])},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{source}\n{done.stdout}\n{done.stderr}"  # noqa: S101


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without coverage, which took as long again; what runs as modules are imported is followed before."""
    with only_imports():
        return (yield)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by its kind; begin with what takes long in several processes."""
    for item in items:
        mark(item)
    if hasattr(config, "workerinput"):
        first: dict[Path, int] = {}
        for item in items:
            turn = LONGEST_FIRST.index(marked(item))
            first[item.path] = min(turn, first.get(item.path, turn))
        items.sort(key=lambda item: first[item.path])  # the tests of a file stay together


_followed = Followed()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let coverage follow the tests of a file for as long as they reach something new."""
    with _followed.following(item):
        return (yield)


class ByPlace(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives whole files to one process, and folders whose files share what one long program found."""

    def __init__(self, config: pytest.Config, log: Any) -> None:  # noqa: ANN401 - the plugin's own logger
        super().__init__(config, log)
        config.option.loadscopereorder = False  # the order of the tests is the order of the work

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return next((folder for folder in _TOGETHER if path.startswith(folder)), path)


def pytest_xdist_auto_num_workers() -> int:
    """Return one process more than there are processors: tests that wait for servers leave one idle."""
    return (os.cpu_count() or 1) + 1


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByPlace:  # noqa: ANN401 - the plugin's own logger
    """Choose who runs what where tests run in several processes."""
    return ByPlace(config, log)


pytest_collect_file = Sybil(
    parsers=[
        CodeBlockParser(language="python", evaluator=_python),
        CodeBlockParser(language="yaml", evaluator=_yaml),
        CodeBlockParser(language="sh", evaluator=_shell),
    ],
    patterns=["README.md", "docs/*.md", "policies/*/README.md", "examples/*/README.md"],
    setup=_enter,
    teardown=_leave,
).pytest()

"""Every example in the help of the `policy`, `issuer` and `token` commands runs in a folder with the files it names."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from authguard.cli import load_function
from authguard.cli.command_table import COMMANDS
from authguard.cli.output import INVALID, OK
from authguard.testing import SigningKey
from tests.support.issuer_server import IssuerServer

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUPS: Final = ("policy", "issuer", "token")
#: examples that report something, and so do not exit with 0
CODES: Final = {
    "authguard policy diff support-desk policy.yaml --fail-on looser": INVALID,
    "authguard policy mutate policy.yaml --most 50 --seed 7 --fail-under 90": INVALID,
}
DEADLINE_S: Final = 240


def examples(words: str) -> list[str]:
    """Return the examples in the help of a command."""
    (command,) = (one for one in COMMANDS if one.words == words)
    text = (load_function(command).__doc__ or "").partition("Examples:\n")[2]
    return [line.strip() for line in text.splitlines() if line.strip()]


ALL: Final = [example for one in COMMANDS if one.group in GROUPS for example in examples(one.words)]


def run(command: str, folder: Path) -> tuple[int, str]:
    """Run a command line with the shell, in a folder."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(  # noqa: S603 - an example of this project
        ["/usr/bin/env", "bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


#: a document of the app, from which `policy init` proposes operations
OPENAPI = """
openapi: 3.0.3
info: {title: Shop, version: '1'}
paths:
  /orders:
    get: {responses: {'200': {description: All}}}
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create the files that the examples name: a policy of okta with trial keys, an older one, a folder and a token."""
    folder = tmp_path_factory.mktemp("examples")
    for command in (
        "authguard token mint --provider okta -o token",
        "authguard policy init made --yes --provider okta --audience api://default --keys trial-keys.json",
        "mv made/* . && rmdir made",
        "cp policy.yaml last-month.yaml && mkdir -p policies/shop && cp policy.yaml keys.json policies/shop",
    ):
        code, said = run(command, folder)
        assert code == OK, said
    (folder / "openapi.yaml").write_text(OPENAPI, "utf-8")
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "here"))


@pytest.fixture
def issuer() -> Iterator[str]:
    with IssuerServer() as server:
        yield server.publish({"keys": [SigningKey.generate("ES256", kid="es").jwk()]}, "/realms/shop")


def test_every_command_of_these_groups_has_an_example() -> None:
    assert [one.words for one in COMMANDS if one.group in GROUPS and not examples(one.words)] == []


def test_examples_begin_on_their_own_line_in_every_help() -> None:
    helps = {one.words: load_function(one).__doc__ or "" for one in COMMANDS}
    joined = [words for words, text in helps.items() if "Examples:" in text and "Examples:\n\n" not in text]
    assert joined == [], "without a blank line, help puts the first example behind the heading"


@pytest.mark.parametrize("example", ALL)
def test_an_example_runs(folder: Path, issuer: str, example: str) -> None:
    words = shlex.split(example.partition("|")[0])
    assert words[0] == "authguard"
    address = re.search(r"https://\S+", example)
    command = f"{example.replace(address[0], issuer)} --insecure-http" if address else example
    code, said = run(command, folder)
    assert code == CODES.get(example, OK), said
    assert "Traceback" not in said

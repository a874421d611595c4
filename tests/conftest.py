"""What all tests share: Hypothesis without a wall clock, and a watch on every log line that a test writes.

No line holds a part of a credential, and every line is a record by the schema that is shipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from authguard.audit.write import file_watch, jsonl, memory
from authguard.testing import mint, process
from tests.support import harness
from tests.support.deadlines import lengthen_deadlines
from tests.support.environment import isolate
from tests.support.hypothesis_profile import choose
from tests.support.policy_cache import cache_certificates, cache_parsed_files
from tests.support.record_check import RecordValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

isolate()
choose()  # a busy machine is no failure, so no profile has a deadline
_for_good = pytest.MonkeyPatch()  # some test files load a policy as they are imported
cache_parsed_files(_for_good)
cache_certificates(_for_good)

#: watches of the logs that the running test opened; a user has few of them, and a test need not close its guard
_watches: list[file_watch.FileWatch] = []
_begin_watch = file_watch.FileWatch.__init__


def _note_watch(watch: file_watch.FileWatch, fd: int) -> None:
    _begin_watch(watch, fd)
    _watches.append(watch)


_for_good.setattr(file_watch.FileWatch, "__init__", _note_watch)

#: what could be a segment of a token: long runs in its alphabet
_SEGMENT = re.compile(rb"[A-Za-z0-9_-]{24,}")


class Watch:
    """Every segment of every token that the test run made, and every such run that it wrote into a log."""

    def __init__(self) -> None:
        self.minted: set[bytes] = set()
        self.written: set[bytes] = set()

    def token(self, token: str) -> str:
        """Note a token on its way to a test."""
        self.minted.update(_SEGMENT.findall(token.encode()))
        return token

    def line(self, line: bytes) -> None:
        """Note a line on its way to a log."""
        self.written.update(_SEGMENT.findall(line))


@pytest.fixture(autouse=True)
def end_watches() -> Iterator[None]:
    """End the watches of files after each test."""
    yield
    while _watches:
        _watches.pop().close()


@pytest.fixture(scope="session", autouse=True)
def patient() -> Iterator[None]:
    """Give the guard's own deadlines the time that a busy machine needs."""
    with pytest.MonkeyPatch.context() as patch:
        lengthen_deadlines(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_credential_in_any_line() -> Iterator[Watch]:
    """Watch the whole run: at its end, no line of any log holds a part of any credential."""
    watch = Watch()
    with pytest.MonkeyPatch.context() as patch:
        for module in (jsonl, memory):
            patch.setattr(module, "format_line", _watching_lines(module.format_line, watch.line))
        patch.setattr(mint.Mint, "mint", _watching_tokens(mint.Mint.mint, watch))
        patch.setattr(process.IdentityProvider, "sign_in", _watching_sign_ins(process.IdentityProvider.sign_in, watch))
        yield watch
    leaked = watch.minted & watch.written
    assert not leaked, f"{len(leaked)} segments of credentials are in a log"


@pytest.fixture(scope="session", autouse=True)
def every_line_is_a_record_by_the_schema(
    no_credential_in_any_line: Watch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Hold every line that the run writes against the schema: here as it is made, of other processes at the end.

    Raises:
        AssertionError: in the test that wrote it, or at the end of the run.
    """
    del no_credential_in_any_line  # its watch is around this one
    records = RecordValidator()
    with pytest.MonkeyPatch.context() as patch:
        for module in (jsonl, memory, harness):
            for name in ("format_line", "render_line"):
                if hasattr(module, name):
                    patch.setattr(module, name, _watching_lines(getattr(module, name), records.line))
        yield
    records.folder(tmp_path_factory.getbasetemp())
    assert not records.wrong, f"{len(records.wrong)} lines are no records by the schema, such as {records.wrong[:3]}"


def _watching_lines(
    link: Callable[..., tuple[bytes, str]], watch: Callable[[bytes], None]
) -> Callable[..., tuple[bytes, str]]:
    def linking(*arguments: Any) -> tuple[bytes, str]:
        line, digest = link(*arguments)
        watch(line)
        return line, digest

    return linking


def _watching_tokens(mint: Callable[..., str], watch: Watch) -> Callable[..., str]:
    return lambda *arguments, **claims: watch.token(mint(*arguments, **claims))


def _watching_sign_ins(sign_in: Callable[..., Any], watch: Watch) -> Callable[..., Any]:
    def signing(*arguments: Any, **claims: Any) -> Any:
        made = sign_in(*arguments, **claims)
        watch.token(made.access_token)
        watch.token(made.refresh_token or "")
        return made

    return signing

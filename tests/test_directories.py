"""The app's own function that knows account states: allowed by its module, bounded in time, never an exception."""

from __future__ import annotations

import asyncio
import json.decoder
import threading

import pytest

from authguard.directories import REMEMBERED, PythonDirectory, find_function
from authguard.errors import SettingsError
from authguard.policy.compiled import AccountSource
from authguard.ports import Stated, Unreachable
from tests.kit import signed_in

SOURCE = AccountSource(name="python:desk:status", call="desk:status", max_age=60.0, timeout=0.05)
NOW = 1_000_000.0


def alice() -> object:
    return signed_in("alice", at=NOW).principal


async def test_a_function_is_asked_once_within_its_maximum_age() -> None:
    asked: list[str] = []

    async def status(_: str, subject: str) -> str:
        asked.append(subject)
        return "normal"

    directory = PythonDirectory(SOURCE, status)
    assert await directory.ask(alice(), NOW) == Stated("normal", NOW)  # type: ignore[arg-type]
    assert await directory.ask(alice(), NOW + 59) == Stated("normal", NOW)  # type: ignore[arg-type]
    assert await directory.ask(alice(), NOW + 60) == Stated("normal", NOW + 60)  # type: ignore[arg-type]
    assert asked == ["alice", "alice"]


async def test_a_function_that_is_not_async_runs_in_a_worker_thread() -> None:
    threads: list[int] = []

    def status(*_: str) -> str:
        threads.append(threading.get_ident())
        return "normal"

    await PythonDirectory(SOURCE, status).ask(alice(), NOW)  # type: ignore[arg-type]
    assert threads != [threading.get_ident()]


async def test_every_way_of_failing_is_unreachable_and_is_asked_again() -> None:
    async def hangs(*_: str) -> str:
        await asyncio.Event().wait()
        return ""

    async def raises(*_: str) -> str:
        raise LookupError("alice is unknown")

    async def babbles(*_: str) -> object:
        return {"status": "normal"}

    for function, cause in ((hangs, "timeout"), (raises, "error"), (babbles, "nonsense")):
        directory = PythonDirectory(SOURCE, function)
        for _ in range(2):
            assert await directory.ask(alice(), NOW) == Unreachable(cause)  # type: ignore[arg-type]


async def test_what_is_remembered_is_bounded() -> None:
    async def status(*_: str) -> str:
        return "normal"

    directory = PythonDirectory(SOURCE, status)
    for number in range(REMEMBERED + 10):
        await directory.ask(signed_in(f"s{number}", at=NOW).principal, NOW)
    assert len(directory._known) <= REMEMBERED


@pytest.mark.parametrize(
    ("call", "modules", "word"),
    [
        ("os:system", (), "allow it"),
        ("os:system", ("os.path",), "allow it"),
        ("osmosis:run", ("os",), "allow it"),
        ("json:no_such", ("json",), "cannot be imported"),
        ("no_such_module_here:x", ("no_such_module_here",), "cannot be imported"),
        ("json:__name__", ("json",), "no function"),
    ],
)
def test_a_policy_calls_only_what_the_app_allowed(call: str, modules: tuple[str, ...], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        find_function(call, modules)


def test_a_module_below_an_allowed_one_is_allowed() -> None:
    assert find_function("json.decoder:JSONDecoder", ("json",)) is json.decoder.JSONDecoder

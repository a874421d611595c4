"""The app's function for account states: allowed by module, bounded in time, and never an exception."""

from __future__ import annotations

import asyncio
import json.decoder
import threading
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.core.deployment import AccountSource
from authguard.core.record_keys import account_key
from authguard.core.snapshot import Delegation
from authguard.directories.cached_call import MAX_CACHED_ACCOUNTS
from authguard.directories.function import FunctionLookup, find_function
from authguard.directories.resilience import ResilientDirectory
from authguard.errors import SettingsError
from authguard.ports import AccountStatus, Unreachable
from tests.support.harness import signed_in

if TYPE_CHECKING:
    from authguard.core.request import Principal

SOURCE = AccountSource(name="python:desk:status", call="desk:status", max_age=60.0, timeout=0.05)
NOW = 1_000_000.0


def person(name: str = "alice") -> Principal:
    return signed_in(name, at=NOW).principal


def directory_of(function: Any, **declared: Any) -> ResilientDirectory:
    source = replace(SOURCE, **declared)
    return ResilientDirectory(source, FunctionLookup(function, source.max_concurrency))


async def test_a_function_is_asked_once_within_its_maximum_age() -> None:
    asked: list[str] = []

    async def status(_: str, subject: str) -> str:
        asked.append(subject)
        return "normal"

    directory = directory_of(status)
    assert await directory.ask(person(), NOW) == AccountStatus("normal", NOW)
    assert await directory.ask(person(), NOW + 59) == AccountStatus("normal", NOW)
    assert await directory.ask(person(), NOW + 60) == AccountStatus("normal", NOW + 60)
    assert asked == ["alice", "alice"]


async def test_a_function_that_is_not_async_runs_in_a_worker_thread() -> None:
    threads: list[int] = []

    def status(*_: str) -> str:
        threads.append(threading.get_ident())
        return "normal"

    await directory_of(status).ask(person(), NOW)
    assert threads != [threading.get_ident()]


async def test_every_way_of_failing_is_unreachable_and_is_asked_again() -> None:
    async def hangs(*_: str) -> str:
        await asyncio.Event().wait()
        return ""

    async def raises(*_: str) -> str:
        raise LookupError("alice is unknown")

    async def babbles(*_: str) -> object:
        return None

    for function, cause in ((hangs, "timeout"), (raises, "error"), (babbles, "nonsense")):
        directory = directory_of(function)
        for _ in range(2):
            assert await directory.ask(person(), NOW) == Unreachable(cause)


async def test_a_boolean_is_a_status_and_an_object_an_empty_one() -> None:
    for status, said in (
        (True, "true"),
        (False, "false"),
        (7, "7"),
        ("ok", "ok"),
        ({"status": "ok"}, ""),
        (["ok"], ""),
    ):

        async def says(*_: str, status: object = status) -> object:
            return status

        assert await directory_of(says).ask(person(), NOW) == AccountStatus(said, NOW)


async def test_what_is_remembered_is_bounded() -> None:
    async def status(*_: str) -> str:
        return "normal"

    directory = directory_of(status)
    for number in range(MAX_CACHED_ACCOUNTS + 10):
        await directory.ask(signed_in(f"s{number}", at=NOW).principal, NOW)
    assert len(directory._calls._cached) == MAX_CACHED_ACCOUNTS
    assert person("s9").account_key not in directory._calls._cached  # the longest unused goes, and not all at once
    assert person("s10").account_key in directory._calls._cached


async def test_an_account_is_asked_about_once_at_a_time_however_many_wait() -> None:
    asked: list[str] = []
    gate = asyncio.Event()

    async def status(_: str, subject: str) -> str:
        asked.append(subject)
        await gate.wait()
        return "locked"

    directory = directory_of(status, timeout=30.0)
    waiting = [asyncio.create_task(directory.ask(person(), NOW)) for _ in range(20)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*waiting) == [AccountStatus("locked", NOW)] * 20
    assert asked == ["alice"]


async def test_who_waits_for_anothers_question_is_not_cancelled_with_it() -> None:
    gate, begun = asyncio.Event(), asyncio.Event()
    asked: list[str] = []

    async def status(_: str, subject: str) -> str:
        asked.append(subject)
        begun.set()
        await gate.wait()
        return "locked"

    directory = directory_of(status, timeout=30.0)
    first = asyncio.create_task(directory.ask(person(), NOW))
    second = asyncio.create_task(directory.ask(person(), NOW))
    await begun.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    assert await second == AccountStatus("locked", NOW)
    assert len(asked) == 1


async def test_functions_that_hang_leave_no_more_threads_behind_than_the_policy_says() -> None:
    release, begun = threading.Event(), []

    def hangs(_: str, subject: str) -> str:
        begun.append(subject)
        release.wait()
        return "normal"

    directory = directory_of(hangs, max_concurrency=2)
    try:
        causes = [await directory.ask(person(f"s{number}"), NOW) for number in range(6)]
    finally:
        release.set()
    assert causes == [Unreachable("timeout")] * 2 + [Unreachable("busy")] * 4
    assert len(begun) == 2


async def test_no_more_questions_are_open_at_once_than_the_policy_says() -> None:
    gate = asyncio.Event()

    async def status(*_: str) -> str:
        await gate.wait()
        return "normal"

    directory = directory_of(status, max_concurrency=3, timeout=30.0)
    waiting = [asyncio.create_task(directory.ask(person(f"s{number}"), NOW)) for number in range(5)]
    await asyncio.sleep(0)
    gate.set()
    said = await asyncio.gather(*waiting)
    assert said == [AccountStatus("normal", NOW)] * 3 + [Unreachable("busy")] * 2


async def test_a_directory_that_fails_is_left_alone_until_its_breaker_lets_one_through() -> None:
    asked: list[str] = []
    up = False

    async def status(_: str, subject: str) -> str:
        asked.append(subject)
        if not up:
            raise LookupError
        return "normal"

    directory = directory_of(status, failures=2, open_for=30.0)
    said = [await directory.ask(person(), NOW + second) for second in range(4)]
    assert said == [Unreachable("error")] * 2 + [Unreachable("open")] * 2
    assert len(asked) == 2
    up = True
    assert await directory.ask(person(), NOW + 31) == AccountStatus("normal", NOW + 31)


async def test_an_answer_is_used_to_its_maximum_age_while_the_directory_is_down_and_no_longer() -> None:
    up = True

    async def status(*_: str) -> str:
        if not up:
            raise LookupError
        return "normal"

    directory = directory_of(status)
    await directory.ask(person(), NOW)
    up = False
    assert await directory.ask(person(), NOW + 59) == AccountStatus("normal", NOW)
    assert await directory.ask(person(), NOW + 60) == Unreachable("error")
    assert await directory.ask(person(), NOW - 1) == Unreachable("error")  # a clock that stepped back lengthens nothing


@pytest.mark.parametrize(
    ("call", "modules", "word"),
    [
        ("os:system", (), "allow it"),
        ("os:system", ("os.path",), "allow it"),
        ("osmosis:run", ("os",), "allow it"),
        ("json:no_such", ("json",), "cannot be imported"),
        ("no_such_module_here:x", ("no_such_module_here",), "cannot be imported"),
        ("json:__name__", ("json",), "not a function"),
    ],
)
def test_a_policy_calls_only_what_the_app_allowed(call: str, modules: tuple[str, ...], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        find_function(call, modules)


def test_a_module_below_an_allowed_one_is_allowed() -> None:
    assert find_function("json.decoder:JSONDecoder", ("json",)) is json.decoder.JSONDecoder


async def test_a_function_names_who_may_act_in_a_document_with_the_status() -> None:
    def status(*_: str) -> object:
        return {"status": "kid", "mandates": {"sub": "gus", "for": ["chat"]}}

    source = AccountSource(name="python:m:f", delegations_at="/mandates", timeout=5.0)
    directory = ResilientDirectory(source, FunctionLookup(status, source.max_concurrency, source.delegations_at))
    mandate = Delegation(account_key(person().issuer, "gus"), ("chat",))
    assert await directory.ask(person(), 1_000.0) == AccountStatus("kid", 1_000.0, (mandate,))
    bare = ResilientDirectory(source, FunctionLookup(lambda *_: "kid", source.max_concurrency, source.delegations_at))
    assert await bare.ask(person(), 1_000.0) == Unreachable("nonsense")

"""A guard is opened once, records its start and stop, and closes whatever could be opened."""

from __future__ import annotations

import pytest

from authguard.errors import SettingsError, StoreError
from authguard.records.entries import ActEntry
from authguard.runtime.lifecycle import Lifecycle
from authguard.runtime.refusal_window import RefusalWindows
from authguard.stores.memory import MemoryStore
from tests.support.harness import EnforcerHarness


class Part:
    """A part that notes what is done to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def open(self) -> None:
        """Note it."""
        self.calls.append("open")

    def close(self) -> None:
        """Note it."""
        self.calls.append("close")


class BrokenStore(MemoryStore):
    """A store that cannot be opened, and notes that it is closed."""

    closed = False

    async def open(self) -> None:
        """Fail."""
        raise StoreError("the disk is gone")

    async def close(self) -> None:
        """Note it."""
        self.closed = True


def lifecycle_of(desk: EnforcerHarness, *, thread: Part, files: list[str], closed: list[Exception]) -> Lifecycle:
    def require_files() -> None:
        if files:
            raise SettingsError(files[0])

    return Lifecycle(
        desk.enforcer.repository,
        checker=desk.check,
        services=(),
        threads=(thread,),
        windows=RefusalWindows(desk.enforcer.journal),
        pseudonym_check=str,
        load_keys=list,
        require_files=require_files,
        report_closed=closed.append,
    )


def acts(desk: EnforcerHarness) -> list[str]:
    return [entry.act for entry in desk.sink.entries if isinstance(entry, ActEntry)]


async def test_it_opens_once_and_records_start_and_stop() -> None:
    desk, thread = EnforcerHarness(), Part()
    life = lifecycle_of(desk, thread=thread, files=[], closed=[])
    await life.open()
    await life.open()
    assert (life.is_open, acts(desk)) == (True, ["started"])
    await life.close()
    await life.close()
    assert (life.is_open, acts(desk), thread.calls) == (False, ["started", "stopped"], ["close"])


async def test_a_guard_that_was_never_opened_has_nothing_to_close() -> None:
    desk, thread = EnforcerHarness(), Part()
    await lifecycle_of(desk, thread=thread, files=[], closed=[]).close()
    assert not thread.calls
    assert not desk.sink.entries


async def test_what_was_opened_is_closed_even_if_the_rest_could_not_be() -> None:
    store, thread = BrokenStore(), Part()
    desk = EnforcerHarness(store=store)
    life = lifecycle_of(desk, thread=thread, files=[], closed=[])
    with pytest.raises(StoreError):
        await life.open()
    assert not life.is_open
    await life.close()
    assert (store.closed, thread.calls, acts(desk)) == (True, ["close"], [])


async def test_a_start_checks_the_files_first() -> None:
    desk = EnforcerHarness()
    life = lifecycle_of(desk, thread=Part(), files=["the key file is missing"], closed=[])
    with pytest.raises(SettingsError, match="key file"):
        await life.start()
    assert not life.is_open


async def test_a_request_that_cannot_open_the_guard_tells_why() -> None:
    closed: list[Exception] = []
    desk = EnforcerHarness(store=BrokenStore())
    life = lifecycle_of(desk, thread=Part(), files=[], closed=closed)
    with pytest.raises(StoreError):
        await life.open_for_request()
    assert [str(error) for error in closed] == ["the disk is gone"]

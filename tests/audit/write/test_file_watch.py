"""A watch tells of every change of a file's names before the next line, and of nothing when it cannot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from authguard.audit.write import file_watch
from authguard.audit.write.file_watch import FileWatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    path = tmp_path / "log"
    fd = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND, 0o600)
    if (probe := FileWatch(fd))._fd < 0:
        os.close(fd)
        pytest.skip("this system has no free inotify instance: each line is checked, see the test without one")
    probe.close()
    yield path, fd
    os.close(fd)


@pytest.fixture
def watch(opened: tuple[Path, int]) -> Iterator[FileWatch]:
    made = FileWatch(opened[1])
    assert made.may_have_changed(), "nobody has looked at the file yet"
    made.clear()
    yield made
    made.close()
    made.close()


CHANGES: dict[str, Callable[[Path], object]] = {
    "unlinked": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("moved")),
    "replaced": lambda path: _create(path.with_name("other")).replace(path),
    "linked": lambda path: os.link(path, path.with_name("second")),
    "mode": lambda path: path.chmod(0o644),
}


def _create(path: Path) -> Path:
    path.write_bytes(b"x")
    return path


def test_lines_are_no_event(opened: tuple[Path, int], watch: FileWatch) -> None:
    path, fd = opened
    for _ in range(10):
        os.write(fd, b"line\n")
        path.read_bytes()
        os.fsync(fd)
        assert not watch.may_have_changed()


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_names_is_told_until_somebody_looks(
    change: str, opened: tuple[Path, int], watch: FileWatch
) -> None:
    CHANGES[change](opened[0])
    assert watch.may_have_changed()
    assert watch.may_have_changed()
    watch.clear()
    assert not watch.may_have_changed()


def test_a_file_that_was_moved_before_is_watched_all_the_same(opened: tuple[Path, int]) -> None:
    path, fd = opened
    path.rename(path.with_name("moved"))
    _create(path)
    watch = FileWatch(fd)
    watch.clear()
    path.unlink()
    assert not watch.may_have_changed(), "that is another file"
    path.with_name("moved").unlink()
    assert watch.may_have_changed()
    watch.close()


@pytest.mark.parametrize("error", [OSError, AttributeError, ImportError])
def test_a_system_without_watches_is_asked_for_each_line(
    error: type[Exception], opened: tuple[Path, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> object:
        raise error

    monkeypatch.setattr(file_watch, "_library", fail)
    watch = FileWatch(opened[1])
    watch.clear()
    assert watch.may_have_changed()
    watch.close()


def test_no_file_needs_no_watch() -> None:
    watch = FileWatch(-1)
    watch.clear()
    assert watch.may_have_changed()
    watch.close()


def test_a_descriptor_that_somebody_closed_is_used_no_more(opened: tuple[Path, int]) -> None:
    for is_asked in (True, False):
        watch = FileWatch(opened[1])
        watch.clear()
        os.close(watch._fd)
        for _ in range(2 * is_asked):
            assert watch.may_have_changed()
            watch.clear()
        watch.close()


def test_a_closed_watch_leaves_no_descriptor(opened: tuple[Path, int]) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208 - numbers, no paths
    for _ in range(3):
        FileWatch(opened[1]).close()
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208

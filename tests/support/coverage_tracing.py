"""Trace coverage of a test file until its tests reach nothing new, since tracing doubles the time of a test.

What is not followed still runs and can still fail. Coverage can only come out lower for it, so the gate stays a floor.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import coverage

from tests.support.kind_table import marked

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

#: tests in a row that reach nothing new, after which the others of the same file are not followed
IN_VAIN: Final = 15


class Followed:
    """Counts, for each file, how many of its last tests reached nothing new."""

    def __init__(self) -> None:
        self._in_vain: Counter[str] = Counter()

    @contextmanager
    def following(self, item: pytest.Item) -> Iterator[None]:
        """Trace a test, its fixtures included, or do not, while it runs."""
        tracing = coverage.Coverage.current()
        file = item.nodeid.partition("::")[0]
        if tracing is None:
            yield
        elif marked(item) == "slow" or self._in_vain[file] >= IN_VAIN:
            with paused():
                yield
        else:
            before = reached(tracing)
            yield
            self._in_vain[file] = 0 if reached(tracing) > before else self._in_vain[file] + 1


@contextmanager
def paused() -> Iterator[None]:
    """Trace nothing for a while; in a process of xdist two trace, and whoever stops one resumes the other."""
    stopped: list[coverage.Coverage] = []
    while (tracing := coverage.Coverage.current()) is not None:
        tracing.stop()
        stopped.append(tracing)
    try:
        yield
    finally:
        for tracing in reversed(stopped):
            tracing.start()


@contextmanager
def only_imports() -> Iterator[None]:
    """Trace what runs as modules are imported, and then nothing for a while."""
    tracing = coverage.Coverage.current()
    if tracing is None:
        yield
        return
    package = importlib.import_module("authguard")  # here, because xdist loads this module before it starts to trace
    for module in pkgutil.walk_packages(package.__path__, "authguard."):
        if not module.name.startswith("authguard.testing"):  # which is not measured
            importlib.import_module(module.name)
    with paused():
        yield


def reached(tracing: coverage.Coverage) -> int:
    """Count the lines and branches that this process has reached."""
    collector = tracing._collector  # there is no public way that does not write the data to disk
    return sum(map(len, collector.data.values())) if collector else 0

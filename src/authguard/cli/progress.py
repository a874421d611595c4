"""Progress bars: on standard error, for work that takes long, and only where a person looks on."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: less than this many steps is done before anybody could read a bar
LONG: Final = 20_000_000


def _silent(_done: int, _whole: int) -> None:
    """Tell nobody."""


@contextmanager
def progress_bar(words: str, *, long: int = LONG) -> Iterator[Callable[[int, int], None]]:
    """Give a function that is told how much of how much is done.

    Args:
        words: beside the bar.
        long: less than so much in all is not shown.
    """
    if not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console  # noqa: PLC0415 - a pipe never needs it
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(words, visible=False)

        def tell(done: int, whole: int) -> None:
            bar.update(task, completed=done, total=whole, visible=done < whole and whole >= long)

        yield tell

"""Progress bars on standard error, for long work on a terminal; without a terminal there are none."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: fewest bytes to read for which a bar is shown
MIN_STEPS: Final = 20_000_000
#: fewest records to write for which a bar is shown
MIN_RECORDS: Final = 20_000


def _ignore(_done: int, _whole: int) -> None:
    """Ignore progress without a terminal."""


@contextmanager
def progress_bar(
    label: str, *, min_steps: int = MIN_STEPS, counts: bool = False
) -> Iterator[Callable[[int, int], None]]:
    """Yield a function of (done, total) that updates a progress bar.

    Args:
        label: text of the bar.
        min_steps: fewest total steps for which the bar is shown.
        counts: whether the bar shows the steps done and their total, for steps that a person counts.
    """
    if not sys.stderr.isatty():
        yield _ignore
        return
    from rich.console import Console  # noqa: PLC0415 - needed only on a terminal
    from rich.progress import MofNCompleteColumn, Progress  # noqa: PLC0415

    columns = (*Progress.get_default_columns(), *((MofNCompleteColumn(),) if counts else ()))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, visible=False)

        def update(done: int, whole: int) -> None:
            bar.update(task, completed=done, total=whole, visible=done < whole and whole >= min_steps)

        yield update

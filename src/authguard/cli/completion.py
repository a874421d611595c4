"""Completion of the values of options whose values are known without a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def complete(list_known: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return the function that completes a value, for `autocompletion` of Typer.

    Args:
        list_known: returns the known values; called only when a shell asks.
    """

    def find(incomplete: str) -> list[str]:
        return [word for word in list_known() if word.startswith(incomplete)]

    return find

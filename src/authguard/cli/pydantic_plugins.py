"""Plugins of pydantic are off in commands: no installed package changes how a policy is read.

The search for them also takes longer than the rest of some commands. The app of `--app` is imported with the variable
as the user set it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "PYDANTIC_DISABLE_PLUGINS"
_given: list[str | None] = []


@contextmanager
def disabled_plugins() -> Iterator[None]:
    """Run a command without plugins."""
    _given.append(os.environ.get(VARIABLE))
    os.environ[VARIABLE] = "__all__"
    try:
        yield
    finally:
        _set(_given.pop())


@contextmanager
def plugins_of_user() -> Iterator[None]:
    """Import code of the user with the plugins that the user has."""
    _set(_given[-1] if _given else os.environ.get(VARIABLE))
    try:
        yield
    finally:
        if _given:
            os.environ[VARIABLE] = "__all__"


def _set(value: str | None) -> None:
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value

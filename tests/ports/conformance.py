"""The check that an adapter has each method of its port with the same arguments."""

from __future__ import annotations

import inspect
from typing import Any


def list_differences(adapter: object, port: type) -> list[str]:
    """Return the methods that an adapter, a class or an instance, lacks or declares otherwise than its port."""
    wrong = []
    for name, duty in vars(port).items():
        if name.startswith("_") or not inspect.isfunction(duty):
            continue
        found: Any = getattr(adapter, name, None)
        if not callable(found):
            wrong.append(f"{name} is missing")
        elif _is_awaited(found) != _is_awaited(duty):
            wrong.append(f"{name} is not awaited alike")
        elif _arguments(found) != _arguments(duty):
            wrong.append(f"{name}{inspect.signature(found)} is not {inspect.signature(duty)}")
    return wrong


def _arguments(method: Any) -> list[tuple[str, str, object]]:
    given = [(one.name, one.kind.name, one.default) for one in inspect.signature(method).parameters.values()]
    return [one for one in given if one[0] != "self"]  # an adapter's method may be static


def _is_awaited(method: Any) -> bool:
    """Return whether a method is a coroutine function, or passes on the awaitable of another one."""
    returned = str(inspect.signature(method).return_annotation)
    return inspect.iscoroutinefunction(method) or returned.startswith(("Awaitable[", "Coroutine["))

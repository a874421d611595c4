"""Checks of operations that only read or have no body: nothing there has an amount, a payee or an effect to repeat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from authguard.policy.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from authguard.core.request import Operation
    from authguard.policy.draft import Draft

#: methods whose body has no meaning (RFC 9110 9.3.1, 9.3.2)
BODILESS: Final = frozenset({"GET", "HEAD"})


def check_measured_operations(draft: Draft) -> Iterator[Problem]:
    """Check that amounts and payees are read from a body only, and that what has an amount is a write."""
    for index, operation in enumerate(draft.operations):
        keys, own = _measured_keys(operation), f"operations[{index}]"
        if not keys or not moves_nothing(operation):
            continue
        shown, bodiless = " and ".join(f"`{key}`" for key in keys), _bodiless(operation)
        if bodiless:
            message = f"operation `{operation.name}` has {shown}, and {bodiless} has no body to read from"
            instead = (
                "limit" if operation.match.websocket else "write the method that sends it, such as `POST`, or limit"
            )
            advice = f"{instead} `calls`"
        else:
            message = f"operation `{operation.name}` has {shown} and `effect: read`: what only reads moves no money"
            advice = f"write `effect: write` if it does; otherwise remove {shown} and limit `calls`"
        place = draft.place(f"{own}.{keys[0]}", own, "operations")
        yield Problem(code="amount-idle", place=place, message=message, advice=advice)


def moves_nothing(operation: Operation) -> bool:
    """Return whether an operation only reads, or has no body that could name an amount or a payee."""
    return operation.effect == "read" or bool(_bodiless(operation))


def _measured_keys(operation: Operation) -> list[str]:
    """Return the keys by which an operation reads something from its body, or limits by it."""
    keys = [*(["amount"] if operation.has_amount else []), *(["payee"] if operation.has_payee else [])]
    by_body = any(limit.amount or limit.by == "payee" for limit in operation.limits)
    return keys or (["limits"] if by_body else [])


def _bodiless(operation: Operation) -> str:
    """Return the kind of request of an operation if it has no body; else empty."""
    if operation.match.websocket:
        return "a WebSocket"
    return f"`{operation.match.method}`" if operation.match.method in BODILESS else ""

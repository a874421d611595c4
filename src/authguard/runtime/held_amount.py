"""The amount of a stored transaction: decimal digits and a currency, as its limits counted it or as it was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.amount import UnreadableValueError, read_amount
from authguard.evaluation.transactions import decrypt_binding
from authguard.formats.form import parse_form
from authguard.formats.strict_json import UnreadableBodyError, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from authguard.core.policy import Policy
    from authguard.core.request import Operation
    from authguard.core.snapshot import TransactionRecord
    from authguard.evaluation.request_binding import RequestBinding
    from authguard.ports import Cipher


def find_operation(policy: Policy, name: str) -> Operation | None:
    """Return the operation of a name; ``None`` if the policy no longer has it."""
    return next((one for one in (*policy.operations, policy.otherwise) if one.name == name), None)


def find_amount(
    policy: Policy, record: TransactionRecord, transaction: str, cipher: Callable[[], Cipher]
) -> tuple[str, str]:
    """Return the amount of a transaction in major units, and its currency; empty texts if it has none.

    Args:
        policy: with the operation.
        record: the transaction.
        transaction: its id.
        cipher: returns the cipher of stored requests; called only if no limit has counted the amount.
    """
    operation = find_operation(policy, record.operation)
    if operation is None or not operation.has_amount:
        return "", ""
    costs = {cost.limit: cost.amount for cost in record.costs}
    counted = next((limit for limit in operation.limits if limit.amount and limit.name in costs), None)
    if counted is not None:
        return costs[counted.name], counted.currency
    bound = decrypt_binding(record, transaction, cipher())
    try:
        amount, currency = read_amount(operation, _parse(operation, bound))
    except (UnreadableValueError, UnreadableBodyError):
        return "", ""
    return f"{amount:f}", currency


def _parse(operation: Operation, bound: RequestBinding) -> object:
    if operation.reads_form:
        return parse_form(bound.form, bound.body.content, bound.target.partition(b"?")[2])
    return parse_json(bound.body.content)

"""Assembly of a `Policy` from a draft and its machines: for the compiler, and for checks that run the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from authguard.core.content import Content
from authguard.core.decision_table import Table
from authguard.core.flags import PAYEE_DIMENSIONS
from authguard.core.outcomes import ALLOW
from authguard.core.policy import Policy
from authguard.core.timers import Timers
from authguard.policy.table_space import draft_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.core.flags import Flag
    from authguard.core.machine import Machine
    from authguard.core.request import Operation
    from authguard.policy.draft import Draft


def assemble(draft: Draft, machines: Mapping[str, Machine], flags: tuple[Flag, ...] | None = None) -> Policy:
    """Return a policy with the content of a draft.

    Args:
        draft: with resolved names; only a draft without errors may decide requests.
        machines: its machines, total.
        flags: with their polarity; by default each counts as one that restricts.
    """
    fallbacks = {ALLOW.name: ALLOW} | dict(draft.fallbacks)
    origins = {f"rule:{rule.index}": rule.origin for rule in draft.rules}
    for name in draft.fallbacks:
        place = draft.place(f"fallbacks.{name}")
        origins[f"fallback:{name}"] = f"{place.file}:{place.line}"
    for flag in draft.flags:
        place = draft.place(f"flags.{flag.name}")
        origins[f"flag:{flag.name}"] = f"{place.file}:{place.line}"
    for name, spec in draft.machines.items():
        for index in range(len(spec.lines)):
            place = draft.place(f"machines.{name}.transitions[{index}]")
            origins[f"line:{name}:{index}"] = f"{place.file}:{place.line}"
    content = {name: getattr(draft, name) for name in Content.__struct_fields__}
    content["flags"] = draft.flags if flags is None else flags
    content["operations"] = tuple(_with_flag_ledgers(draft, operation) for operation in draft.operations)
    return Policy(
        **content,
        machines=machines,
        timers=Timers.compile(draft.timers, machines),
        table=Table(draft_values(draft), draft.rules),
        fallbacks=fallbacks,
        issuers={one.issuer: one for issuer in draft.issuers for one in issuer.expand()},
        origins=origins,
        file=draft.place().file,
    )


def _with_flag_ledgers(draft: Draft, operation: Operation) -> Operation:
    """Return an operation with the ledgers of the flags that its payee determines."""
    found = frozenset(flag.by for flag in draft.flags if flag.by in PAYEE_DIMENSIONS)
    return replace(operation, flag_dimensions=found) if found and operation.has_payee else operation

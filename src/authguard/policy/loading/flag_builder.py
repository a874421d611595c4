"""Build the flags of a policy; a setter has exactly one of its three kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.flags import Flag, FlagSetter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from authguard.policy.loading.problem_collector import ProblemCollector
    from authguard.policy.schema import flag as model


def build_flags(declared: Mapping[str, model.Flag], found: ProblemCollector) -> tuple[Flag, ...]:
    """Build the flags, in the order of the file."""
    return tuple(
        Flag(
            name=name,
            by=flag.by,
            expires=flag.expires,
            set_by=tuple(
                _build_setter(f"flags.{name}.set_by[{index}]", setter, found)
                for index, setter in enumerate(flag.set_by)
            ),
            cleared_by=tuple(dict.fromkeys(one.role for one in flag.cleared_by)),
        )
        for name, flag in declared.items()
    )


def _build_setter(path: str, setter: model.FlagSetter, found: ProblemCollector) -> FlagSetter:
    kinds = [bool(setter.operation or setter.event), bool(setter.app), bool(setter.role)]
    if sum(kinds) != 1 or bool(setter.operation) != bool(setter.event):
        message = "a setter is an operation with an event, a report of the app, or a role"
        advice = "write `{operation: NAME, event: committed}`, `{app: report}` or `{role: NAME}`"
        found.add("key-not-for-kind", path, message, advice)
    return FlagSetter(operations=setter.operation, event=setter.event, app=bool(setter.app), role=setter.role)

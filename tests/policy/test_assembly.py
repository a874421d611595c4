"""A policy assembled from a draft has its content, as the compiled one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from authguard.core.machine import compile_machine
from authguard.policy.assembly import assemble
from authguard.policy.compiler import compile_draft
from authguard.policy.loading.loader import load_draft

if TYPE_CHECKING:
    from authguard.core.policy import Policy


def test_an_assembled_policy_is_the_compiled_one(support_desk: Policy) -> None:
    draft = load_draft("support-desk").draft
    assert draft is not None
    assembled = assemble(draft, {name: compile_machine(spec) for name, spec in draft.machines.items()})
    assert assembled == compile_draft(draft) == support_desk
    assert assembled.file == draft.place().file

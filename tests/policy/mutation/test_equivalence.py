"""A change without effect is equivalent; a change of any setting, transition, timer or reachable cell is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from authguard.core.machine import Line
from authguard.policy.compiler import compile_draft
from authguard.policy.loading.loader import load_draft, load_merged
from authguard.policy.mutation.equivalence import are_equivalent, find_differing_cells
from authguard.policy.mutation.mutant import make_mutant
from tests.policy.mutation.desk import DESK, desk_tree, write_desk

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.core.policy import Policy
    from authguard.policy.tree import Path as TreePath


def compile_desk(text: str = DESK) -> Policy:
    draft = load_draft("desk.yaml", text=text.encode()).draft
    assert draft is not None
    return compile_draft(draft)


def mutate(folder: Path, path: TreePath, new: Any) -> Policy:
    loaded = load_draft(write_desk(folder))
    assert loaded.draft is not None
    mutated = make_mutant("any", desk_tree(), path, new).apply(desk_tree())
    draft = load_merged(str(folder / "policy.yaml"), mutated, loaded.draft.changes).draft
    assert draft is not None
    return compile_draft(draft)


@pytest.mark.parametrize(
    ("path", "new"),
    [
        (("operations", 1, "limits", 1, "calls"), 30),
        (("machines", "account", "transitions", 0), None),
        (("machines", "account", "transitions", 0, "raises"), None),
        (("timers", 11), None),
        (("timers", 11, "after"), "6m"),
        (("decisions", 22), None),
        (("identity", "credential"), "aal1"),
    ],
)
def test_a_change_with_an_effect_is_none(tmp_path: Path, path: TreePath, new: Any) -> None:
    assert not are_equivalent(compile_desk(), mutate(tmp_path, path, new))


def test_lines_and_rules_without_effect_are_equivalent() -> None:
    line = "      - {trigger: locked, source: normal, dest: suspended}\n"
    rule = "  - {when: {account: locked, credential: good, session: active, actor: subject}, do: try_later}\n"
    more = DESK.replace("decisions:\n", f"{line}decisions:\n").replace("fallbacks:\n", f"{rule}fallbacks:\n")
    wordy = compile_desk(more)
    assert Line(triggers=("locked",), sources=("normal",), dest="suspended") in wordy.machines["account"].spec.lines
    assert are_equivalent(compile_desk(), wordy)


def test_cells_that_no_events_reach_do_not_count() -> None:
    rule = "  - {when: {session: absent, credential: good}, do: try_later}\n"
    changed = compile_desk(DESK.replace("decisions:\n", f"decisions:\n{rule}"))
    assert find_differing_cells(compile_desk(), changed) == []
    assert are_equivalent(compile_desk(), changed)


def test_a_differing_cell_is_named_for_each_difference() -> None:
    changed = compile_desk(DESK.replace("session: active}, do: to_a_person}", "session: active}, do: try_later}"))
    (cell,) = find_differing_cells(compile_desk(), changed) or ()
    assert "locked" in cell


def test_cells_that_the_driver_never_derives_do_not_count() -> None:
    rule = "  - {when: {channel_change: switched, verification: verified, credential: good}, do: try_later}\n"
    changed = compile_desk(DESK.replace("decisions:\n", f"decisions:\n{rule}"))
    assert find_differing_cells(compile_desk(), changed) == []

"""A problem is one line that says where, what, in which cells, how one gets there, and what to type instead."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from authguard.policy.problem import Place, Problem, did_you_mean, list_names

BARE = Problem(code="table-gap", place=Place("policy.yaml", 3, 5), message="no rule decides 2 cells")


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (BARE, "no rule decides 2 cells"),
        (replace(BARE, advice="add one"), "no rule decides 2 cells; add one"),
        (replace(BARE, box="risk `high`"), "no rule decides 2 cells (widest: risk `high`)"),
        (
            replace(BARE, cell=(("service", "live"), ("risk", "high"))),
            "no rule decides 2 cells (for one: service `live`, risk `high`)",
        ),
        (replace(BARE, path=("session.idled", "account.locked")), "(reached by: session.idled, account.locked)"),
        (replace(BARE, path=()), "no rule decides 2 cells (reached without any event)"),
        (
            replace(BARE, box="risk `high`", cell=(("risk", "high"),), path=("session.idled",), advice="add one"),
            "(widest: risk `high`; for one: risk `high`; reached by: session.idled); add one",
        ),
    ],
)
def test_a_problem_is_one_line_with_all_that_is_known_of_it(problem: Problem, line: str) -> None:
    assert str(problem).startswith("policy.yaml:3:5: error[table-gap]: no rule decides 2 cells")
    assert str(problem).endswith(line)
    assert problem.describe() in str(problem)
    assert "\n" not in str(problem)


def test_the_nearest_word_is_advised_and_else_the_known_ones() -> None:
    assert did_you_mean("actve", ["active", "idle"]) == "did you mean `active`?"
    assert did_you_mean("zzz", ["active", "idle"]) == "known: `active`, `idle`"
    assert did_you_mean("zzz", []) == "nothing is declared here"
    assert did_you_mean("zzz", [f"word{n}" for n in range(20)]).endswith(", ...")


def test_an_unknown_line_is_left_out_of_the_place() -> None:
    missing = Problem(code="file-missing", place=Place("nope.yaml"), message="there is no file `nope.yaml`")
    assert str(missing) == "nope.yaml: error[file-missing]: there is no file `nope.yaml`"
    assert str(replace(missing, place=Place())) == "error[file-missing]: there is no file `nope.yaml`"


def test_a_long_list_of_names_is_shortened() -> None:
    assert list_names(["a"]) == "`a`"
    assert list_names(["a", "b"], last="or") == "`a` or `b`"
    assert list_names(f"n{at}" for at in range(8)) == "`n0`, `n1`, `n2`, `n3`, `n4`, `n5`, `n6` and `n7`"
    assert list_names(f"n{at}" for at in range(2_000)).endswith("`n6` and 1,993 more")

"""Which operations an endpoint falls to is exact: held against what the guard's own index finds for real paths."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from authguard.core.request import Match, Operation
from authguard.evaluation.operation_index import OperationIndex
from authguard.policy.checks.route_coverage import METHODS, Endpoint, covers, match_endpoint, overlaps

SEGMENTS = st.sampled_from(["a", "b", "{x}"])
TEMPLATES = st.builds(
    lambda segments, rest: "/" + "/".join([*segments, *(["{rest:path}"] if rest else [])]),
    st.lists(SEGMENTS, min_size=1, max_size=3),
    st.booleans(),
)
MATCHES = st.one_of(
    st.builds(Match, path=TEMPLATES, method=st.sampled_from(["", "GET", "POST"])), st.builds(Match, websocket=TEMPLATES)
)
#: a parameter's values, the first of which no literal segment has
VALUES = ("z", "a", "b")


def paths(template: str) -> list[str]:
    """Give paths of an endpoint's template, one for each way to fill it."""
    found = [""]
    for segment in template.split("/")[1:]:
        ways = ("z", "a", "a/b", "z/z/z", "b/a") if segment == "{rest:path}" else VALUES
        found = [f"{path}/{value}" for path in found for value in (ways if "{" in segment else (segment,))]
    return found


@given(st.lists(MATCHES, max_size=4), TEMPLATES, st.sampled_from(["http", "websocket"]))
def test_an_endpoint_falls_to_whatever_the_guard_finds_for_any_of_its_paths(
    matches: list[Match], template: str, kind: str
) -> None:
    operations = [Operation(name=f"o{place}", match=match) for place, match in enumerate(matches)]
    index = OperationIndex(operations, Operation(name="otherwise"))
    endpoint = Endpoint(kind=kind, path=template)  # type: ignore[arg-type]  # one of the two
    for met in match_endpoint(endpoint, operations):
        for method in met.methods or ("",):
            taken = [index.find(method, path) if method else index.find_socket(path) for path in paths(template)]
            found = {operation.name for operation in taken if operation}
            assert found <= set(met.operations)
            if met.operations == (met.operations[0],):
                assert found == {met.operations[0]}


@given(TEMPLATES, TEMPLATES)
def test_a_template_covers_only_what_it_overlaps(template: str, path: str) -> None:
    assert overlaps(template, path) or not covers(template, path)
    taken = re.compile(re.sub(r"\{x\}", "[^/]+", template).replace("{rest:path}", ".*"))
    every = [taken.fullmatch(one) is not None for one in paths(path)]
    assert all(every) or not covers(template, path)
    assert overlaps(template, path) or not any(every)


def test_convertors_and_parameters_within_a_segment_are_known() -> None:
    assert covers("/orders/{order}", "/orders/{order_id:int}")
    assert overlaps("/files/report.pdf", "/files/{name}.pdf")
    assert not overlaps("/files/report.txt", "/files/{name}.pdf")
    assert covers("/files/{name}", "/files/{name}.pdf")
    assert not covers("/files/{name}", "/files/{name:path}")
    assert not covers("/files/{name}", "/files/")


def test_every_method_is_answered_once_and_a_head_goes_with_its_get() -> None:
    operations = [Operation(name="read", match=Match(path="/a", method="GET"))]
    met = match_endpoint(Endpoint(kind="http", path="/a"), operations)
    assert sorted(method for one in met for method in one.methods) == sorted(METHODS)
    (only,) = match_endpoint(Endpoint(kind="http", path="/a", methods=("GET", "HEAD")), operations)
    assert (only.methods, only.operations) == (("GET",), ("read",))
    (alone,) = match_endpoint(Endpoint(kind="http", path="/a", methods=("HEAD",)), operations)
    assert (alone.methods, alone.operations) == (("HEAD",), ("read",))

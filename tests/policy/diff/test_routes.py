"""Which operation a request belongs to: templates, methods and hosts, compared as languages."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from authguard.core.outcomes import Reason
from authguard.core.request import Match, Operation
from authguard.evaluation.resolver import Resolver
from authguard.policy.diff.routes import compare_routes
from tests.policy.diff.pairs import LOOSER, Case, compare, draft_of, with_operation
from tests.support.harness import POLICY

PEEK = "  - {name: peek, match: {path: /balance, method: HEAD}, risk: high, effect: read, scopes: [accounts]}\n"
CASES = [
    Case(
        "a tail in place of one segment",
        with_operation("  - {name: file, match: {path: '/files/{rest}', method: GET}, risk: public, effect: read}\n"),
        with_operation(
            "  - {name: file, match: {path: '/files/{rest:path}', method: GET}, risk: public, effect: read}\n"
        ),
        LOOSER,
        LOOSER,
    ),
    Case(
        "a tail before an operation of several segments",
        with_operation(
            "  - {name: file, match: {path: '/files/{one}', method: GET}, risk: public, effect: read}\n"
            "  - {name: part, match: {path: '/files/{one}/part/{no}', method: GET}, risk: high, effect: read}\n"
        ),
        with_operation(
            "  - {name: file, match: {path: '/files/{one}', method: GET}, risk: public, effect: read}\n"
            "  - {name: part, match: {path: '/files/{one}/part/{no:path}', method: GET}, risk: high, effect: read}\n"
        ),
        LOOSER,
        LOOSER,
    ),
    Case(
        "HEAD of an operation beside GET",
        with_operation(PEEK),
        (
            (
                "  - name: refund",
                PEEK + "  - name: refund",
            ),
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_change_is_told_with_its_direction_both_ways(case: Case) -> None:
    assert compare(case) == (case.forward, case.back)


def routes(old: str, new: str) -> dict[tuple[str, str], str]:
    """Compare two policies that differ in these operations and refuse unnamed requests."""
    drafts = [draft_of(POLICY, (OTHERWISE, "otherwise: deny\n"), *with_operation(lines)) for lines in (old, new)]
    found = compare_routes(*drafts)
    assert found.is_complete
    return {(one.before, one.after): one.request for one in found.pairs}


OTHERWISE = "otherwise: {risk: sensitive, effect: write}\n"
PARTS = "risk: public, effect: read}\n"


def test_a_tail_matches_one_segment_or_more_and_a_parameter_exactly_one() -> None:
    found = routes(
        f"  - {{name: file, match: {{path: '/f/{{one}}'}}, {PARTS}",
        f"  - {{name: file, match: {{path: '/f/{{one:path}}'}}, {PARTS}",
    )
    assert set(found) == {("", "file")}


def test_an_operation_for_get_also_serves_head_unless_an_earlier_one_does() -> None:
    get = f"  - {{name: read, match: {{path: /f, method: GET}}, {PARTS}"
    head = f"  - {{name: peek, match: {{path: /f, method: HEAD}}, {PARTS}"
    assert routes(head + get, get + head.replace("/f", "/g")) == {
        ("peek", "read"): "HEAD /f",
        ("", "peek"): "HEAD /g",
    }
    assert routes(get, get.replace("GET", "HEAD")) == {("read", ""): "GET /f"}


def test_an_operation_of_one_host_is_refused_at_others() -> None:
    one = f"  - {{name: read, match: {{path: /f, method: GET}}, hosts: [a.test], {PARTS}"
    assert routes(one, one.replace("a.test", "'*.b.test'")) == {
        ("read", ""): "GET /f of a.test",
        ("", "read"): "GET /f of any.b.test",
    }
    assert routes("", one) == {("", "read"): "GET /f of a.test"}


def test_a_websocket_is_no_http_request() -> None:
    socket = f"  - {{name: talk, match: {{websocket: /talk}}, {PARTS}"
    assert routes("", socket) == {("", "talk"): "WebSocket /talk"}


def test_a_walk_that_ends_at_its_bound_is_incomplete() -> None:
    old, new = draft_of(POLICY), draft_of(POLICY, *with_operation(f"  - {{name: f, match: {{path: /f}}, {PARTS}"))
    assert not compare_routes(old, new, places=3).is_complete


PATHS = ("/f", "/f/", "/f/a", "/f/a/", "/f/a/b", "/f/b", "/g", "/f//", "/g/a/b")
TEMPLATES = ("/f", "/f/a", "/f/{x}", "/f/{x:path}", "/{x}", "/f/{x}/b", "/f/a/{y:path}", "/{x}/a/{z}", "/g")


ROUTES = st.lists(st.tuples(st.sampled_from(TEMPLATES), st.sampled_from(("", "GET", "HEAD", "POST"))), max_size=3)


@settings(max_examples=30)
@given(ROUTES, ROUTES)
def test_every_request_that_the_resolver_maps_differently_is_found(
    old: list[tuple[str, str]], new: list[tuple[str, str]]
) -> None:
    base = draft_of(POLICY, (OTHERWISE, "otherwise: deny\n"))
    policies, resolvers = [], []
    for side, listed in enumerate((old, new)):
        operations = tuple(
            Operation(name=f"{'ab'[side]}{place}", match=Match(path=path, method=method), risk="public", effect="read")
            for place, (path, method) in enumerate(listed)
        )
        policies.append(replace(base, operations=operations))
        resolvers.append(Resolver(operations, Operation(name="otherwise"), (), admits=False))
    expected = set()
    for path in PATHS:
        for method in ("GET", "HEAD", "PUT"):
            scope = {"path": path, "root_path": "", "headers": []}
            found = [resolver.find(method, path, scope) for resolver in resolvers]
            names = tuple("" if isinstance(one, Reason) else one.name for one in found)
            if names[0] != names[1]:
                expected.add(names)
    assert expected <= {(one.before, one.after) for one in compare_routes(*policies).pairs}

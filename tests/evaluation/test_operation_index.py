"""The guard matches the operation of the route that the app's router selects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.routing import Match as RouteMatch
from starlette.routing import Route, WebSocketRoute

from authguard.core.request import Match, Operation
from authguard.evaluation.operation_index import WEBSOCKET, OperationIndex, has_no_control, route_path

if TYPE_CHECKING:
    from collections.abc import Sequence

OTHERWISE = Operation(name="otherwise")

SEGMENTS = st.sampled_from(["chat", "orders", "Chat", "{id}", "{name}", "a", ""])
TEMPLATES = st.lists(SEGMENTS, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
METHODS = st.sampled_from(["GET", "POST", "HEAD", ""])
PATHS = st.lists(
    st.sampled_from(["chat", "orders", "Chat", "7", "a", "", ".", "..", "%2e", "a b", "é", "{id}"]), max_size=5
).map(lambda parts: "/" + "/".join(parts))


def operations(pairs: Sequence[tuple[str, str]]) -> list[Operation]:
    return [
        Operation(name=f"op{index}", match=Match(path=path, method=method))
        for index, (path, method) in enumerate(pairs)
    ]


def by_definition(wanted: Sequence[Operation], method: str, path: str) -> Operation:
    """Find the first match by a linear search."""
    for operation in wanted:
        match = operation.match
        takes = not match.method or match.method == method or (match.method == "GET" and method == "HEAD")
        pattern = "/".join(
            ".*" if part.endswith(":path}") else "[^/]+" if part.startswith("{") else re.escape(part)
            for part in match.path.split("/")
        )
        if takes and re.fullmatch(pattern, path, re.DOTALL):
            return operation
    return OTHERWISE


@given(st.lists(st.tuples(TEMPLATES, METHODS), max_size=8), METHODS, PATHS)
def test_the_index_finds_what_asking_all_in_order_finds(pairs: list[tuple[str, str]], method: str, path: str) -> None:
    wanted = operations(pairs)
    assert OperationIndex(wanted, OTHERWISE).find(method or "PATCH", path) is by_definition(
        wanted, method or "PATCH", path
    )


@given(TEMPLATES, PATHS)
def test_a_named_operation_matches_exactly_where_starlettes_route_does(template: str, path: str) -> None:
    if len({part for part in template.split("/") if part.startswith("{")}) < template.count("{"):
        return  # a router accepts each parameter name once
    index = OperationIndex(operations([(template, "GET")]), OTHERWISE)
    route = Route(template, endpoint=lambda _: None, methods=["GET"])
    scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}
    matched, _ = route.matches(scope)
    assert (index.find("GET", path) is not OTHERWISE) == (matched is RouteMatch.FULL)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/chat", "chat"),
        ("GET", "/chat", "otherwise"),
        ("POST", "/chat/", "otherwise"),
        ("POST", "//chat", "otherwise"),
        ("POST", "/CHAT", "otherwise"),
        ("HEAD", "/orders/7", "order"),
        ("GET", "/orders/", "otherwise"),
        ("GET", "/orders/7/8", "otherwise"),
        ("POST", "/orders/7/refund", "refund"),
        ("GET", "/files/a/b/c", "files"),
        ("DELETE", "/files/", "files"),
        ("GET", "/files", "otherwise"),
        ("GET", "/live", "otherwise"),
        ("WEBSOCKET", "/live", "otherwise"),
    ],
)
def test_what_is_not_named_exactly_falls_to_otherwise(method: str, path: str, name: str) -> None:
    wanted = [
        Operation(name="chat", match=Match(path="/chat", method="POST")),
        Operation(name="order", match=Match(path="/orders/{id}", method="GET")),
        Operation(name="refund", match=Match(path="/orders/{id}/refund", method="POST")),
        Operation(name="files", match=Match(path="/files/{rest:path}")),
        Operation(name="live", match=Match(websocket="/live")),
    ]
    index = OperationIndex(wanted, OTHERWISE)
    found = index.find(method, path)
    assert found is not None
    assert found.name == name
    sockets = {path: index.find_socket(path) for path in ("/live", "/chat", "/files/a")}
    assert {path: one.name for path, one in sockets.items() if one} == {
        "/live": "live",
        "/chat": "otherwise",
        "/files/a": "otherwise",
    }


@pytest.mark.parametrize("method", ["post", "Post", "", "POST ", "PO_ST", "GET\n", "\u03a1\u039fST", WEBSOCKET])
def test_a_method_that_is_not_upper_case_letters_and_hyphens_is_no_method(method: str) -> None:
    wanted = [Operation(name="pay", match=Match(path="/pay")), Operation(name="live", match=Match(websocket="/live"))]
    index = OperationIndex(wanted, OTHERWISE)
    for path in ("/pay", "/live", "/other"):
        assert index.find(method, path) is None
        assert index.find("VERSION-CONTROL", path) is not None


@given(st.sampled_from(["", "/api", "/api/v1"]), PATHS)
def test_the_path_is_the_one_that_the_router_sees(root: str, path: str) -> None:
    for full in (path, root + path, root):
        scope = {"type": "http", "path": full, "root_path": root}
        assert route_path(scope) == get_route_path(scope)


@pytest.mark.parametrize("path", ["/chat\n", "/chat\r", "/\x00chat", "/chat\x7f", "/\tchat"])
def test_a_path_with_a_control_character_is_no_path(path: str) -> None:
    assert not has_no_control(path)


def test_a_websocket_route_of_starlette_is_the_websocket_operation() -> None:
    index = OperationIndex([Operation(name="live", match=Match(websocket="/live/{room}"))], OTHERWISE)
    route = WebSocketRoute("/live/{room}", endpoint=lambda _: None)
    for path in ("/live/a", "/live/", "/live/a/b", "/live"):
        matched, _ = route.matches({"type": "websocket", "path": path, "root_path": "", "headers": []})
        assert (index.find_socket(path) is not OTHERWISE) == (matched is RouteMatch.FULL)

"""Tests of the operations that a request nearly matches: one thing differs, and it is named."""

from __future__ import annotations

import pytest

from authguard.core.request import Match, Operation
from authguard.policy.explain.near_match import MAX_NEAR, describe_match, find_near

READ = Operation(name="read", match=Match(path="/orders/{order}", method="GET"))
SHOP = Operation(name="shop", match=Match(path="/shop", method="POST"), hosts=frozenset({"shop.test"}))
LIVE = Operation(name="live", match=Match(websocket="/live"))
REST = Operation(name="rest", match=Match(path="/orders/{rest:path}"))
ALL = (READ, SHOP, LIVE, REST)


@pytest.mark.parametrize(
    ("method", "path", "found", "expected"),
    [
        ("PUT", "/orders/1", "rest", {"read": "it takes GET, not PUT"}),
        ("HEAD", "/orders/1", "read", {"rest": "it stands below `read`, and the first match wins"}),
        ("POST", "/shop", "", {"shop": "it takes requests to the host `shop.test`"}),
        ("GET", "/live", "", {"live": "it takes WebSockets"}),
        ("websocket", "/shop", "", {"shop": "it takes HTTP requests"}),
        ("POST", "/Shop", "", {"shop": "the path only resembles it, and another program might take it for this one"}),
        ("POST", "/shops", "", {"shop": "the path has `shops` in place of `shop`"}),
        ("POST", "/elsewhere", "", {}),
        ("POST", "/shops", "other", {}),
    ],
)
def test_what_differs_is_named(method: str, path: str, found: str, expected: dict[str, str]) -> None:
    assert {one.operation: one.differs for one in find_near(ALL, method, path, found)} == expected


def test_the_closest_come_first_and_the_list_is_bounded() -> None:
    many = [Operation(name=f"o{place}", match=Match(path="/shop", method="PUT")) for place in range(20)]
    found = find_near([*many, SHOP], "GET", "/shop", "")
    assert len(found) == MAX_NEAR


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (READ, "GET /orders/{order}"),
        (LIVE, "websocket /live"),
        (REST, "any method of /orders/{rest:path}"),
        (Operation(name="otherwise"), "whatever no other operation takes"),
    ],
)
def test_a_match_is_described(operation: Operation, words: str) -> None:
    assert describe_match(operation) == words

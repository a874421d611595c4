"""The resources of a deployment are the audiences at its own address, and a path belongs to them segment by segment."""

from __future__ import annotations

import pytest

from authguard.core.protected_resource import contains, find_resources, is_address

PUBLIC = "https://shop.test/api"


def test_the_public_url_and_what_lies_below_it_are_resources_as_they_are_spelled() -> None:
    audiences = ["https://shop.test/api/", "https://shop.test/api/mcp", "https://SHOP.test:443/api/a2a/"]

    assert find_resources(PUBLIC, audiences) == {
        "/api": "https://shop.test/api/",
        "/api/mcp": "https://shop.test/api/mcp",
        "/api/a2a/": "https://SHOP.test:443/api/a2a/",
    }


@pytest.mark.parametrize(
    "audience",
    [
        "https://evil.test/api/mcp",
        "http://shop.test/api/mcp",
        "https://shop.test:8443/api/mcp",
        "https://shop.test/apiary",
        "https://shop.test/",
        "https://shop.test/api/mcp?x=1",
        "https://shop.test/api/mcp#x",
        "urn:shop",
        "shop",
        "",
    ],
)
def test_another_address_or_a_name_is_no_resource(audience: str) -> None:
    assert find_resources(PUBLIC, [audience]) == {}


def test_without_a_public_url_there_is_no_resource() -> None:
    assert find_resources("", ["https://shop.test/api"]) == {}


def test_the_first_spelling_of_one_resource_counts() -> None:
    assert find_resources("https://shop.test", ["https://shop.test", "https://shop.test/"]) == {"": "https://shop.test"}


@pytest.mark.parametrize(
    ("path", "inside"),
    [("/api", True), ("/api/", True), ("/api/mcp", True), ("/apiary", False), ("/", False), ("/other/api", False)],
)
def test_a_path_is_inside_segment_by_segment(path: str, inside: bool) -> None:  # noqa: FBT001 - a case
    assert contains("/api", path) is inside
    assert contains("/api/", path) is inside
    assert contains("", "/anything")


@pytest.mark.parametrize(
    ("audience", "address"),
    [("https://a.test", True), ("http://a.test/x", True), ("api://x", False)],
)
def test_only_an_http_url_is_an_address(audience: str, address: bool) -> None:  # noqa: FBT001 - a case
    assert is_address(audience) is address

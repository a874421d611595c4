"""A path template is taken as written, and a pattern of another syntax is refused with the template that it means."""

from __future__ import annotations

import re

import pytest

from authguard.policy.schema.path_template import parse_template

TEMPLATES = [
    "/",
    "/orders",
    "/orders/",
    "/orders/{order_id}/refund",
    "/files/{rest:path}",
    "/v1/orders:cancel",
    "/odata/$metadata",
    "/odata/Orders(5)",
    "/@me/~home",
    "/a//b",
    "/100%25",
]


@pytest.mark.parametrize("typed", TEMPLATES)
def test_a_template_is_taken_as_it_is_written(typed: str) -> None:
    assert parse_template(typed) == typed


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("/orders/*", "/orders/{rest:path}"),
        ("/orders/**", "/orders/{rest:path}"),
        ("/orders/.*", "/orders/{rest:path}"),
        ("/orders/*/refund", "/orders/{part1}/refund"),
        ("/orders/:id", "/orders/{id}"),
        ("/orders/:id?", "/orders/{id}"),
        ("/orders/<id>/refund", "/orders/{id}/refund"),
        ("/orders/<int:id>", "/orders/{id}"),
        ("/files/<path:name>", "/files/{name:path}"),
        ("/orders/{id:int}", "/orders/{id}"),
        ("/orders/{id:[0-9]+}", "/orders/{id}"),
        ("/orders/{id?}", "/orders/{id}"),
        ("/orders/{order-id}", "/orders/{order_id}"),
        ("/orders/${id}", "/orders/{id}"),
        ("/orders/[0-9]+", "/orders/{part1}"),
        (r"/orders/\d+", "/orders/{part1}"),
        (r"/orders/(\d+)", "/orders/{part1}"),
        (r"^/orders/(?P<id>\d+)$", "/orders/{id}"),
        (r"^\/orders$", "/orders"),
        ("/files/*.pdf", "/files/{part1}"),
        ("orders", "/orders"),
    ],
)
def test_a_pattern_of_another_syntax_is_refused_with_the_template_that_it_means(typed: str, meant: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"write `{meant}`: a template has")):
        parse_template(typed)
    assert parse_template(meant) == meant


def test_a_host_and_a_query_are_no_part_of_a_path() -> None:
    with pytest.raises(ValueError, match=re.escape("write the path only, `/orders`; the host belongs into `hosts`")):
        parse_template("https://shop.example/orders")
    with pytest.raises(ValueError, match="never by its query"):
        parse_template("/orders?id=1")


@pytest.mark.parametrize("typed", ["", "/a b", "/{a}{b}", "/{", "/" + "x" * 201, 5, None, ["/orders"], "/[" * 5_000])
def test_what_no_template_is_near_to_gets_an_example(typed: object) -> None:
    with pytest.raises(ValueError, match=r"^write ") as refused:
        parse_template(typed)
    assert len(str(refused.value)) < 1_000

"""An unnamed path that some router would read as a named one is found, and others are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.evaluation.lookalike import MAX_NON_ASCII_CHARS, MAX_PATH_CHARS, MAX_SEGMENTS, LookalikeIndex

INDEX = LookalikeIndex(["/orders/{order_id}/refund", "/admin", "/files/{name:path}", "/users/{id}"])


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "//admin",
        "/./admin",
        "/public/../admin",
        "/ADMIN",
        "/%61dmin",
        "/%2561dmin",
        "/%25252561dmin",
        "/admin;jsessionid=1",
        "/admin.json",
        "/\uff41dmin",
        "\\admin",
        "/public\\..\\admin",
        "/api/admin",
        "/v1/orders/7/refund",
        "/orders/7/refund/",
        "/orders//7//refund",
        "/orders/7;x=1/refund",
        "/ADMIN%2f",
        "/files/",
        "/FILES/a/b/c",
        "/ users/7",
    ],
)
def test_a_path_that_a_lenient_router_takes_for_a_named_one_is_found(path: str) -> None:
    assert INDEX.resembles(path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/administrator",
        "/orders",
        "/orders/7",
        "/orders/7/cancel",
        "/order/7/refund",
        "/user",
        "/a/b/c",
    ],
)
def test_a_path_that_resembles_none_is_left_alone(path: str) -> None:
    assert not INDEX.resembles(path)


def test_a_template_without_a_literal_segment_counts_only_from_the_root() -> None:
    index = LookalikeIndex(["/{tenant}"])

    assert index.resembles("/acme/")
    assert not index.resembles("/acme/more"), "after a prefix everything would resemble it"


@pytest.mark.parametrize(
    "path",
    ["/" + "x" * MAX_PATH_CHARS, "/x" * (MAX_SEGMENTS + 1), "/" + "\ufdfa" * (MAX_NON_ASCII_CHARS + 1)],
    ids=["long", "deep", "folded"],
)
def test_a_path_that_would_take_too_long_counts_as_a_lookalike(path: str) -> None:
    assert INDEX.resembles(path)


@pytest.mark.parametrize("times", range(1, 12))
def test_however_often_a_path_is_encoded_it_is_found_or_refused(times: int) -> None:
    path = "%61dmin"
    for _ in range(times - 1):
        path = path.replace("%", "%25")

    assert INDEX.resembles(f"/{path}")


@given(st.text(alphabet="aA/.%25;\\ \u212a", max_size=24))
def test_an_answer_comes_for_every_path_and_an_added_slash_only_adds_leniency(path: str) -> None:
    assert INDEX.resembles("/admin" + "/" * (1 + len(path) % 3))
    assert INDEX.resembles(path) in {True, False}


@given(st.sampled_from(["/admin", "/orders/7/refund", "/users/x"]), st.data())
def test_every_spelling_in_percent_encoding_is_found(path: str, data: st.DataObject) -> None:
    places = data.draw(
        st.sets(st.sampled_from([i for i, character in enumerate(path) if character != "/"]), min_size=1)
    )
    spelled = "".join(f"%{ord(one):02X}" if place in places else one for place, one in enumerate(path))

    assert INDEX.resembles(spelled)

"""URL normalisation: equal for two spellings of one URL, different for two URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authguard.formats.urls import MAX_URL_CHARS, normalize


@pytest.mark.parametrize(
    "address",
    [
        "HTTPS://Shop.Example/chat",
        "https://shop.example:443/chat",
        "https://shop.example/chat?x=1",
        "https://shop.example/chat#there",
        "https://shop.example/ch%61t",
        "wss://shop.example/chat",
    ],
)
def test_spellings_of_one_address_are_one(address: str) -> None:
    assert normalize(address) == "https://shop.example/chat"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://shop.example/chat", "http://shop.example/chat"),
        ("https://shop.example/chat", "https://shop.example/chat/"),
        ("https://shop.example/chat", "https://shop.example/Chat"),
        ("https://shop.example/chat", "https://shop.example:8443/chat"),
        ("https://shop.example/a%2Fb", "https://shop.example/a/b"),
        ("https://shop.example/a/../b", "https://shop.example/b"),
    ],
)
def test_other_addresses_stay_apart(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


def test_encoding_has_one_case_and_an_empty_path_is_the_root() -> None:
    assert normalize("https://shop.example/%c3%a9") == normalize("https://shop.example/%C3%A9")
    assert normalize("https://shop.example") == "https://shop.example/"
    assert normalize("http://[::1]:80/x") == "http://[::1]/x"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "/chat",
        "//shop.example/chat",
        "ftp://shop.example/chat",
        "https:///chat",
        "https://user@shop.example/chat",
        "https://shop.example:x/chat",
        "https://shop.example:99999/chat",
        "https://[::1/chat",
        "https://shop.example/ch at",
        "https://shop.example/\n",
        "https://shop.example/%",
        "https://shop.example/%%36",
        "https://shop.example/%g1",
        "https://shop.example/é",
        "https://shop.example/" + "a" * MAX_URL_CHARS,
    ],
)
def test_what_is_no_absolute_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller tells nobody why
        normalize(address)


@given(st.text(max_size=60))
def test_whatever_is_written_is_normal_or_refused(text: str) -> None:
    try:
        once = normalize(f"https://shop.example/{text}")
    except ValueError:
        return
    assert normalize(once) == once

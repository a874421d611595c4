"""Tests of the HTML page without a browser: escaping and Content-Security-Policy."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser

import pytest

from authguard.core.outcomes import LocalizedText
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.render.page import render_page

VOID = {"meta", "input"}
EVIL = "</style></script><b onclick=x>\"'&"


class Outline(HTMLParser):
    """HTML parser that requires correctly nested tags."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(text: str) -> Outline:
    read = Outline()
    read.feed(text)
    read.close()
    assert read.open == []
    return read


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_the_page_is_well_formed_and_names_nothing_outside_of_itself(name: str) -> None:
    text = render_page(load(name))
    tags = outline(text).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in tags:
        assert tag not in ("link", "img", "iframe", "object", "base")
        assert not {"src", "style"} & set(attributes)
        assert not [key for key in attributes if key.startswith("on")]
        if "href" in attributes:
            assert (attributes["href"] or "").removeprefix("#") in ids
    assert len([tag for tag, _ in tags if tag == "tr"]) > len(load(name).table.rules)


def test_the_browser_is_told_to_run_and_style_by_nothing_else() -> None:
    text = render_page(load("standard"))
    policy = unescape(re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1])  # type: ignore[index]  # it is there
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]  # type: ignore[index]  # it is there
        digest = b64encode(sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


def test_no_text_of_a_policy_is_markup() -> None:
    policy = load("support-desk")
    refuse = replace(policy.fallbacks["refuse"], message=LocalizedText({(EVIL, EVIL): EVIL}))
    text = render_page(replace(policy, name=EVIL, fallbacks={**policy.fallbacks, "refuse": refuse}))
    assert "onclick=x>" not in text
    assert text.count("&lt;b onclick=x&gt;") >= 5
    assert text.count("</script>") == text.count("</style>") == 1
    outline(text)

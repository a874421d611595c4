"""Tests of the HTML page without a browser: escaping and Content-Security-Policy."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html import unescape
from html.parser import HTMLParser

import pytest
from msgspec.structs import replace

from authguard.core.outcomes import LocalizedText
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.loading.loader import load_draft
from authguard.policy.render.page import render_page

VOID = {"meta", "input", "wbr", "br"}
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
        for reference in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(reference, ids[0]) in ids
    assert len([tag for tag, _ in tags if tag == "tr"]) > len(load(name).table.rules)
    assert len(text) < 300_000, "a page is small enough to send by mail"


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_the_table_of_a_machine_has_all_of_its_transitions(name: str) -> None:
    policy = load(name)
    text = render_page(policy)
    for machine in policy.machines.values():
        rows = re.search(rf'<h3 id="machine-{machine.spec.name}">.*?<tbody>(.*?)</tbody>', text, re.DOTALL)
        assert rows is not None
        states, told = machine.spec.states, set()
        for line in rows[1].split("</tr>")[:-1]:
            event, where, dest = (
                unescape(re.sub(r"<wbr>|<span.*|<[^>]*>", "", cell))
                for cell in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", line)
            )
            named = set(re.split(r", | or ", where.removeprefix("any but ")))
            if where in ("any state", "any other state"):
                sources = {state for state in states if where == "any state" or state != dest}
            else:
                sources = set(states) - named if where.startswith("any but ") else named
            assert sources <= set(states)
            told |= {(state, event, dest) for state in sources}
        moves = {(state, event, edge.dest) for (state, event), edge in machine.table.items() if edge.moves}
        assert told == moves


def test_the_page_tells_the_deployment() -> None:
    draft = load_draft("support-desk").draft
    assert draft is not None
    words = unescape(re.sub(r"<wbr>|<[^>]*>", "", render_page(load("support-desk"), draft.invariants)))
    for told in (
        "8 invariants are proved",
        "nothing sensitive without proof of identity",
        "never allow or restrict",
        "one of allow, restrict, hold, handoff can be reached, by events of caller and clock alone",
        "http://127.0.0.1:9000nonesupport-agentES256, RS256, EdDSAdiscovery",
        "weakest first: aal1, aal2, aal3",
        "attorneydelegated",
        "anything elseunrecognised",
        "session.idled15mlast_seenactive",
        "500 EUR a call1000 EUR in 1d, by subject5 calls in 10m, by session",
        "method default3 attempts in 15m, then to_a_person",
        "1 of role supervisor",
        "if the guard itself failstry_later",
    ):
        assert told in words, told


def test_every_tenant_of_a_template_is_counted_in_one_row() -> None:
    policy = load("support-desk")
    one = next(iter(policy.issuers.values()))
    template = replace(
        one, issuer="https://login.example/{tenantid}", tenants=tuple(f"t{number}" for number in range(50))
    )
    text = render_page(replace(policy, issuers={each.issuer: each for each in template.expand()}))
    assert text.count("50 tenants") == 1
    assert "t49" not in text


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

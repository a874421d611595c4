"""The real Mermaid and the real Graphviz draw every machine that ships, and nothing of a policy is code to them."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.render.diagram import build_drawing, render_dot, render_mermaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

SHIPPED = sorted(locator.shipped_policies())
HOSTILE = 'x"]; %%{init: {}}%%\n--> end <script>window.pwned=1</script> `|\\ #quot; [*]'


@pytest.fixture(scope="module")
def artist(browser: Browser, mermaid_script: str) -> Iterator[Page]:
    """Load Mermaid once."""
    context = browser.new_context()
    page = context.new_page()
    page.add_script_tag(content=mermaid_script)
    page.evaluate("mermaid.initialize({startOnLoad: false, securityLevel: 'strict'})")
    yield page
    context.close()


def drawn(artist: Page, text: str) -> str:
    """Have Mermaid draw, and give the words of the picture, one line each."""
    await_it = """async (text) => {
        const { svg } = await mermaid.render('d' + Math.random().toString(36).slice(2), text);
        const box = document.createElement('div');
        box.innerHTML = svg;
        const parts = [...box.querySelectorAll('p, tspan')].map((part) => part.innerHTML.replaceAll('<br>', '\\n'));
        const kind = box.querySelector('svg').getAttribute('aria-roledescription');
        return [kind, box.querySelector('title').textContent, ...parts].join('\\n');
    }"""
    told: Any = artist.evaluate(await_it, text)
    return str(told)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", SHIPPED)
def test_mermaid_draws_every_machine(artist: Page, name: str, machine: str) -> None:
    policy = load(name)
    words = drawn(artist, render_mermaid(policy, machine))
    lines = words.splitlines()
    assert lines[0] == "stateDiagram"
    assert lines[1] == f"machine {machine} of {policy.name}"
    flat = " ".join(words.split())
    for place in build_drawing(policy, machine).nodes:
        assert place.label in flat
    for arrow in build_drawing(policy, machine).arrows:
        for event in arrow.events:
            assert event in flat


def test_nothing_of_a_policy_is_code_to_mermaid(artist: Page) -> None:
    words = drawn(artist, render_mermaid(replace(load("standard"), name=HOSTILE), "service"))
    assert artist.evaluate("window.pwned") is None
    assert "<script>window.pwned=1</script>" in words.splitlines()[2]
    assert "rolled_back" in words


@pytest.mark.parametrize("name", SHIPPED)
def test_graphviz_draws_every_machine(name: str) -> None:
    program = shutil.which("dot")
    assert program is not None, "run `make test-browser`, which installs it"
    policy = replace(load(name), name=HOSTILE)
    for machine in MACHINES:
        done = subprocess.run(  # noqa: S603 - found above
            [program, "-Tsvg"], input=render_dot(policy, machine), capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        for place in build_drawing(policy, machine).nodes:
            assert f">{place.label}<" in done.stdout
        assert "<script>" not in done.stdout

"""Tests that diagrams show exactly the transitions of a machine, and escape text of a policy."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from authguard.core.events import MACHINES
from authguard.policy.compiler import load
from authguard.policy.loading import locator
from authguard.policy.render.diagram import Drawing, build_drawing, render_all_mermaid, render_dot, render_mermaid

SHIPPED = sorted(locator.shipped_policies())
SWAPPED = b"""
authguard: 1
name: swapped
extends: standard
base: true
machines:
  account:
    states: [sim_swap_hold, end, note]
    transitions:
      - {trigger: [sim_swap_hold, end, note], source: [deceased, closed], dest: '='}
      - {trigger: sim_swap_hold, source: '*', dest: sim_swap_hold}
      - {trigger: end, source: '*', dest: end}
      - {trigger: note, source: '*', dest: note}
decisions:
  - {when: {account: [sim_swap_hold, end, note]}, do: to_a_person}
"""


def shown(drawing: Drawing) -> set[tuple[str, str, str]]:
    """Return every (state, event, destination) that the arrows of a diagram represent."""
    states = [place.label for place in drawing.nodes if not place.many]
    found = set()
    for arrow in drawing.arrows:
        kind, _, missing = arrow.source.label.partition(" but ")
        sources = [arrow.source.label]
        if arrow.source.many:
            lacking = [*missing.split(", "), *([arrow.dest.label] if kind == "any other state" else [])]
            sources = [state for state in states if state not in lacking]
        found |= {
            (source, re.split(r"[ ]", event)[0], arrow.dest.label) for source in sources for event in arrow.events
        }
    return found


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", SHIPPED)
def test_a_drawing_shows_every_move_of_its_machine_and_no_other(name: str, machine: str) -> None:
    policy = load(name)
    table = policy.machines[machine].table
    moves = {(state, event, edge.dest) for (state, event), edge in table.items() if edge.moves}
    assert shown(build_drawing(policy, machine)) == moves


def test_events_of_one_arrow_are_folded_with_their_timers_and_what_they_raise() -> None:
    arrows = {
        (arrow.source.label, arrow.dest.label): arrow.events
        for arrow in build_drawing(load("standard"), "session").arrows
    }
    assert arrows["active", "idle"] == ("idled (15m since last_seen)",)
    assert arrows["any other state", "revoked"] == (
        "revoked / raises verification.moved",
        "ended / raises verification.moved",
    )
    assert arrows["any state", "active"] == ("renewed",), "a fresh sign-in enters `active` anew"


def test_a_timer_stands_only_where_it_runs() -> None:
    events: dict[str, tuple[str, ...]] = {}
    for arrow in build_drawing(load("standard"), "verification").arrows:
        events[arrow.source.label] = (*events.get(arrow.source.label, ()), *arrow.events)
    assert any("2m since entered" in event for event in events["pending"])
    assert not any("30m" in event for event in events["pending"])
    assert any("30m since entered" in event for event in events["verified"])


def test_the_standard_session_is_drawn_in_mermaid() -> None:
    text = render_mermaid(load("standard"), "session")
    assert text.startswith("stateDiagram-v2\n    accTitle: machine session of standard\n")
    assert '    state "absent" as s0\n' in text
    assert "    [*] --> s0\n" in text
    assert "    s1 --> s2: idled (15m since last_seen)\n" in text
    assert "    class s5,s6 many\n" in text
    assert text.endswith("\n")


def test_states_named_like_words_of_mermaid_stay_names() -> None:
    policy = load("swapped.yaml", text=SWAPPED)
    text = render_mermaid(policy, "account")
    assert re.search(r'^    state "end" as s\d+$', text, re.MULTILINE)
    assert not re.search(r"^    (end|note)\b", text, re.MULTILINE)


def test_no_text_of_a_policy_is_syntax() -> None:
    """Escape names that the policy language rejects: a policy built in Python or a file name can have them."""
    policy = replace(load("standard"), name='x"]; %%{init: {}}%%\n<script>`|\\')
    line = render_mermaid(policy, "service").splitlines()[1]
    assert line.startswith("    accTitle: machine service of x#34;#93;#59; #37;#37;#123;init#58; #123;#125;#125;")
    assert line.endswith("#37;#37;#10;#60;script#62;#96;#124;#92;")
    label = render_dot(policy, "service").splitlines()[1]
    assert label.startswith('  label="machine service of x\\"]; %%{init: {}}%%\\n<script>`|\\\\"; labelloc')


def test_dot_names_every_state_once_and_marks_the_first() -> None:
    text = render_dot(load("standard"), "transaction")
    assert text.startswith('digraph "transaction" {\n')
    assert text.count("  begin -> s0;\n") == 1
    for state in load("standard").machines["transaction"].spec.states:
        assert len(re.findall(rf'\[label="{state}"[],]', text)) == (2 if state == "held" else 1) or state in (
            "approved",
            "failed",
        )
    assert '  s1 -> s3 [label="denied\\naltered"];\n' in text


def test_all_machines_make_a_page() -> None:
    page = render_all_mermaid(load("standard"))
    assert re.findall(r"^### `(\w+)`$", page, re.MULTILINE) == list(MACHINES)
    assert page.count("```mermaid\nstateDiagram-v2\n") == 5


def test_there_is_no_drawing_of_what_is_no_machine() -> None:
    with pytest.raises(KeyError):
        build_drawing(load("standard"), "nothing")

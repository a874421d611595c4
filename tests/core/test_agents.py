"""Classification of actors: an agent counts only in tokens of its issuer, never by name alone."""

from __future__ import annotations

import pytest

from authguard.core.agents import Agent
from authguard.core.conditions import classify_actor
from tests.support.harness import ISSUER, signed_in

PARTNER = "https://partner.test"
AGENTS = frozenset({Agent(ISSUER, "concierge"), Agent(ISSUER, "robot", alone=True), Agent(PARTNER, "theirs")})


@pytest.mark.parametrize(
    ("facts", "acting"),
    [
        ({}, "subject"),
        ({"client": ""}, "subject"),
        ({"actor": "concierge"}, "agent"),
        ({"client": "concierge"}, "agent"),
        ({"actor": "robot"}, "agent"),
        ({"actor": "nobody"}, "stranger"),
        ({"actor": "nobody", "client": "concierge"}, "stranger"),
        # the name of an agent, in the tokens of an issuer that does not vouch for it
        ({"issuer": PARTNER, "client": "concierge"}, "subject"),
        ({"issuer": PARTNER, "actor": "concierge"}, "stranger"),
        ({"issuer": PARTNER, "actor": "concierge", "actor_issuer": ISSUER}, "stranger"),
        ({"actor": "theirs", "actor_issuer": PARTNER}, "stranger"),
        ({"issuer": PARTNER, "actor": "theirs"}, "agent"),
        # nobody is a person here
        ({"person": False}, "stranger"),
        ({"person": False, "client": ""}, "stranger"),
        ({"person": False, "client": "concierge"}, "stranger"),
        ({"person": False, "client": "robot"}, "agent"),
        ({"person": False, "client": "robot", "issuer": PARTNER}, "stranger"),
        ({"person": False, "client": "robot", "actor": "nobody"}, "stranger"),
        ({"person": False, "client": "app", "actor": "concierge"}, "stranger"),
    ],
)
def test_who_acts(facts: dict[str, object], acting: str) -> None:
    assert classify_actor(signed_in(at=0.0, **facts).principal, AGENTS) == acting


def test_a_name_says_whose_it_is() -> None:
    assert sorted(map(str, AGENTS)) == [
        "concierge of https://issuer.test",
        "robot of https://issuer.test (alone)",
        "theirs of https://partner.test",
    ]
    assert str(Agent("", "bot")) == "bot of no issuer"

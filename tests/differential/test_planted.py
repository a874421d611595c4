"""The differential suite can fail: what is planted into a deployment, the checker sees, and nothing where none is."""

from __future__ import annotations

import itertools
from typing import Final

from tests.differential.child import Combination, Deployment
from tests.differential.planted import SEEN
from tests.differential.requests import generate

#: exchanges until each fault has to be seen
BOUND: Final = 1_000
BATCH: Final = 50


def test_each_planted_fault_is_seen() -> None:
    combinations = [Combination(plant, "httptools", otherwise="admit", plant=plant) for plant in SEEN]
    sound = Combination("sound", "httptools", otherwise="admit")
    with Deployment("tests.differential.apps.starlette_app", [sound, *combinations], hosts=True) as deployment:
        for combination in combinations:
            exchanges = itertools.islice(generate("planted", deployment.tokens), BOUND)
            seen = False
            while not seen and (batch := list(itertools.islice(exchanges, BATCH))):
                seen = any(SEEN[combination.plant] in words for words in deployment.send(combination.name, batch))
            assert seen, f"nobody saw `{combination.plant}`"
        assert deployment.send("sound", itertools.islice(generate("planted", deployment.tokens), BATCH)) == []

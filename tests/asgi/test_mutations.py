"""Valid tokens mutated byte by byte, through the whole guard: never admitted, never a 500, and no state changes."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.advisories.scene import Scene
from tests.support.hypothesis_profile import examples

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[Scene, dict[str, bytes]]]:
    """Start one deployment, with a valid token of each kind that has been admitted."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Scene(Path(folder), algorithms="algorithms: [ES256, RS256, EdDSA]")
        good = {alg: scene.good(alg=alg, jti="fixed").encode() for alg in ("ES256", "RS256", "EdDSA")}
        for token in good.values():
            assert asyncio.run(scene.send((b"authorization", b"Bearer " + token))).status == 200
        yield scene, good
        asyncio.run(scene.guard.enforcer.close())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=examples(300))
@given(
    alg=st.sampled_from(["ES256", "RS256", "EdDSA"]),
    edits=st.lists(
        st.tuples(
            st.sampled_from(["replace", "insert", "delete", "cut"]), st.integers(0, 5_000), st.binary(max_size=3)
        ),
        min_size=1,
        max_size=3,
    ),
)
@example(alg="ES256", edits=[("replace", 0, b"f")])
@example(alg="EdDSA", edits=[("insert", 40, b".")])
def test_no_mutation_of_a_good_token_is_admitted(
    scene: tuple[Scene, dict[str, bytes]], alg: str, edits: list[tuple[str, int, bytes]]
) -> None:
    deployment, good = scene
    mutant = good[alg]
    for how, place, some in edits:
        at = place % (len(mutant) + 1)
        match how:
            case "replace":
                mutant = mutant[:at] + some + mutant[at + len(some) :]
            case "insert":
                mutant = mutant[:at] + some + mutant[at:]
            case "delete":
                mutant = mutant[:at] + mutant[at + 1 :]
            case _:
                mutant = mutant[:at]
    before, runs = deployment.records(), deployment.runs
    answer = asyncio.run(deployment.send((b"authorization", b"Bearer " + mutant)))
    if mutant.strip(b" \t") == good[alg]:
        assert answer.status == 200
        return
    assert answer.status == 401
    assert deployment.records() == before
    assert deployment.runs == runs

"""Run every behaviour of `behaviours`, send a request of every risk after each, and return the results.

`python -m tests.verification.driver` prints it as JSON, for `scripts/verifying.py`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.verification.behaviours import BEHAVIOURS, SHAPES
from tests.verification.client import OPERATIONS, opened
from tests.verification.scripted_server import listening

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.verification.behaviours import Behaviour
    from tests.verification.client import Bank


async def walk(behaviours: Iterable[Behaviour] = BEHAVIOURS) -> dict[str, Any]:
    """Play behaviours, each with a customer of its own.

    Returns:
        A behaviour's words -> what the answer to the service got (``answer``), where the machine stood then
        (``state``), what each risk got (``cells``) and where what one is told leads to (``way``).
    """
    place = {shape: number for number, shape in enumerate(SHAPES)}
    seen: dict[str, Any] = {}
    ordered = sorted(behaviours, key=lambda one: place[one.shape])
    async with listening() as remote:
        for shape, alike in groupby(ordered, key=lambda one: one.shape):
            with tempfile.TemporaryDirectory(prefix="authguard-verifying-") as folder:
                async with opened(shape, remote, Path(folder)) as bank:
                    for behaviour in alike:
                        seen[behaviour.words] = await _meet(behaviour, bank)
    return {behaviour.words: seen[behaviour.words] for behaviour in BEHAVIOURS if behaviour.words in seen}


async def _meet(behaviour: Behaviour, bank: Bank) -> dict[str, Any]:
    visit = bank.visit(behaviour)
    if behaviour.play:
        await behaviour.play(visit)
    else:
        for method in behaviour.acts:
            await visit.answer(method)
    assert visit.last is not None
    cells = {}
    for operation in OPERATIONS:
        said = await visit.ask(operation)
        cells[operation] = {"state": await visit.state(), **asdict(said)}
    state = await visit.state()
    bank.remote.script = {}
    return {"answer": asdict(visit.last), "state": state, "cells": cells, "way": await visit.way_on()}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(walk())))

"""The main path compared with its limit and its peers: ``make bench`` prints one table and writes it to the docs.

``--rounds N`` runs at a smaller scale, and ``--json`` prints the rows as JSON; neither writes the page.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.calls import rows_of_calls
from benchmarks.costs import costs
from benchmarks.credentials import FLOOD, first_sights, rows_of_credentials
from benchmarks.everyone import all_peers
from benchmarks.measure import (
    Scale,
    end_to_end,
    footprints,
    in_process,
    on_change,
    rows_in_process,
    rows_of_times,
    starts,
)
from benchmarks.senders import rows_of_senders, senders
from benchmarks.stages import stages
from benchmarks.table import markdown, publish, to_json
from benchmarks.transactions import high_writes, parts, queues
from benchmarks.verifying import beside_hanging, refusals, rows_of_verifying

if TYPE_CHECKING:
    from benchmarks.table import Row

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
#: rounds beside hanging verifications: the most, since each takes seconds
HANGS: Final = 12
#: the samples need so many times the requests of the timed case
SAMPLED: Final = 4


def measure(scale: Scale) -> dict[str, list[Row]]:
    """Measure everything: name of a table -> its rows."""
    times, peers = asyncio.run(in_process(scale, all_peers))
    rows = rows_in_process(times, peers)
    rows += asyncio.run(on_change(scale))
    rows += asyncio.run(high_writes(scale.rounds, scale.changes))
    rows += asyncio.run(costs(scale.rounds))
    rows += asyncio.run(queues(scale.turns, scale.held))
    flood = max(1, FLOOD * scale.rounds // Scale().rounds)
    rows += rows_of_credentials(asyncio.run(first_sights(rounds=scale.rounds, size=scale.cold)), flood, scale.tokens)
    rows += rows_of_senders(asyncio.run(senders(rounds=scale.rounds, size=scale.cold)))
    hung = asyncio.run(beside_hanging(rounds=min(HANGS, scale.rounds), size=scale.size))
    rows += rows_of_verifying(hung, asyncio.run(refusals(rounds=scale.rounds, size=scale.cold)))
    rows += end_to_end(scale)
    rows += footprints(scale)
    rows += starts(scale)
    return {
        "ratios": rows,
        "times": rows_of_times(times, peers) + parts(scale.rounds),
        "stages": asyncio.run(stages(scale.tokens, SAMPLED * scale.rounds * scale.size)),
        "calls": rows_of_calls(),
    }


def text_of(tables: dict[str, list[Row]]) -> str:
    """Write the tables for the terminal and the page."""
    return "\n\n".join(
        (
            markdown(tables["ratios"]),
            "What the ratios in one process are made of:",
            markdown(tables["times"]),
            "Where a warm request above spends its time, by samples of the processor's clock:",
            markdown(tables["stages"]),
            "Calls of project code for one request, counted without a clock:",
            markdown(tables["calls"]),
        )
    )


def main(arguments: list[str]) -> None:
    """Measure everything and print it; a run of the whole scale writes it into the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.main_path", description="Measure the main path.")
    parser.add_argument("--rounds", type=int, default=Scale().rounds, help="fewer for a short run at a smaller scale")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    wanted = parser.parse_args(arguments)
    tables = measure(Scale.of(wanted.rounds))
    if wanted.json:
        print(to_json(tables))
        return
    print(text_of(tables))
    if wanted.rounds == Scale().rounds:
        publish(PAGE, text_of(tables))


if __name__ == "__main__":
    main(sys.argv[1:])

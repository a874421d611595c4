"""The main path compared with its limit and its peers: ``make bench`` prints one table and writes it to the docs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

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
from benchmarks.table import markdown, publish
from benchmarks.transactions import high_writes, parts, queues
from benchmarks.verifying import beside_hanging, refusals, rows_of_verifying

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


def main() -> None:
    """Measure everything, print the table, and write it into the page."""
    scale = Scale()
    times, peers = asyncio.run(in_process(scale, all_peers))
    rows = rows_in_process(times, peers)
    rows += asyncio.run(on_change(scale))
    rows += asyncio.run(high_writes(scale.rounds, scale.changes))
    rows += asyncio.run(queues(scale.turns, scale.held))
    rows += rows_of_credentials(asyncio.run(first_sights(rounds=scale.rounds, size=scale.cold)), FLOOD, scale.tokens)
    rows += rows_of_senders(asyncio.run(senders(rounds=scale.rounds, size=scale.cold)))
    hung = asyncio.run(beside_hanging(rounds=12, size=scale.size))
    rows += rows_of_verifying(hung, asyncio.run(refusals(rounds=scale.rounds, size=scale.cold)))
    rows += end_to_end(scale)
    rows += footprints(scale)
    rows += starts(scale)
    made_of = rows_of_times(times, peers) + parts(scale.rounds)
    text = f"{markdown(rows)}\n\nWhat the ratios in one process are made of:\n\n{markdown(made_of)}"
    print(text)
    publish(PAGE, text)


if __name__ == "__main__":
    main()

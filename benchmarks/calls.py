"""Calls of project code per kind of request, counted without a clock: ``python -m benchmarks.calls [KIND]``.

What is counted: each time the interpreter enters a Python function of `src/authguard` while the app handles the
request, in every thread that works for it, as `sys.setprofile` reports it. A coroutine or generator counts each time it
is entered: when it begins, and each time it is resumed, since a chain of awaiting functions is passed through again.
Comprehensions do not count, since newer interpreters inline them, nor do functions in C and of other packages, nor the
threads that sign and publish checkpoints.

The clocks of the guard and of the store are fixed, so that no periodic work falls due; garbage collection is off; one
request of the kind ran before, so that nothing is built for the first time, and other customers did, so that a store
which sweeps a few records with each write finds some. So the count is the same in every run of the command; what else a
process imported, such as OpenTelemetry, may add calls.

The counts are in ``baseline.json`` as ceilings: a test fails if a count rises, and if it falls until ``--update`` wrote
the lower one.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

import authguard
from benchmarks.kinds import KINDS, deployed
from benchmarks.table import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import CodeType, FrameType

BASELINE: Final = Path(__file__).with_name("baseline.json")
#: folder of the project's functions
HOME: Final = f"{Path(authguard.__file__).parent}/"
STORES: Final = ("sqlite", "memory")
#: kind -> most calls, on either store
MUST: Final = {
    "warm": 19,
    "known session": 60,
    "first sight": 220,
    "refusal": 45,
    "high write": 260,
    "approval": 320,
}
#: the memory store's sweep follows the order of its records, and so the seed of hashes
HASHES: Final = {"PYTHONHASHSEED": "0"}
#: seconds that the separate process may take
SECONDS: Final = 300
#: customers with a session before the counted request
CUSTOMERS: Final = 20
COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>"})
#: names of threads that work for no request
BACKGROUND: Final = ("authguard-checkpoints", "authguard-anchor")


class CallCounter:
    """Counts entries into the project's functions while it is armed, in every thread that starts under `watching`.

    Attributes:
        calls: ``FILE:FUNCTION`` -> entries.
    """

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._armed = False
        self._names: dict[CodeType, str] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch this thread and those that start meanwhile."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]  # the documentation allows it

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Count."""
        gc.collect()
        gc.disable()  # a collection would run finalizers of other requests
        self.calls.clear()
        self._armed = True
        try:
            yield
        finally:
            self._armed = False
            gc.enable()

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:  # noqa: ANN401 - of `sys.setprofile`
        if not self._armed or event != "call":
            return
        code = frame.f_code
        name = self._names.get(code)
        if name is None:
            name = self._names[code] = _name(code)
        if name and not threading.current_thread().name.startswith(BACKGROUND):
            self.calls[name] += 1


def _name(code: CodeType) -> str:
    """Return ``FILE:FUNCTION``, or nothing if the function does not count."""
    path = code.co_filename
    if not path.startswith(HOME) or code.co_name in COMPREHENSIONS:
        return ""
    return f"{path.removeprefix(HOME)}:{code.co_qualname}"


@dataclass(frozen=True, slots=True)
class Counts:
    """The calls of one request.

    Attributes:
        by_function: ``FILE:FUNCTION`` -> entries.
    """

    by_function: Counter[str]

    @property
    def total(self) -> int:
        """Return the number of calls."""
        return self.by_function.total()

    @property
    def files(self) -> int:
        """Return the number of files with a called function."""
        return len({name.partition(":")[0] for name in self.by_function})


async def count_calls(store: str, kinds: Sequence[str] = tuple(KINDS)) -> dict[str, Counts]:
    """Count the calls of one request of each kind.

    Args:
        store: ``sqlite`` or ``memory``.
        kinds: names of `KINDS`.
    """
    return {kind: await _count(store, kind) for kind in kinds}


async def _count(store: str, kind: str) -> Counts:
    counter = CallCounter()
    still = patch("authguard.stores.sqlite.monotonic", return_value=0.0)
    with tempfile.TemporaryDirectory() as name, still, counter.watching():
        folder = Path(name)
        async with deployed(folder, folder / "store.db" if store == "sqlite" else store) as deployment:
            for _ in range(CUSTOMERS):
                await deployment.known()
            await deployment.send(await KINDS[kind](deployment))
            sent = await KINDS[kind](deployment)
            with counter.armed():
                await deployment.send(sent)
            return Counts(counter.calls)


def counts() -> dict[str, dict[str, int]]:
    """Count every kind on every store: store -> kind -> calls."""
    return {store: {kind: one.total for kind, one in asyncio.run(count_calls(store)).items()} for store in STORES}


def baseline() -> dict[str, dict[str, int]]:
    """Read the ceilings: store -> kind -> calls."""
    read: dict[str, dict[str, int]] = json.loads(BASELINE.read_text("utf-8"))["calls"]
    return read


def update() -> None:
    """Write the present counts as the ceilings."""
    BASELINE.write_text(json.dumps({"calls": counts_apart()}, indent=2) + "\n", "utf-8")


def rows_of_calls() -> list[Row]:
    """Count every kind on every store, and return the rows; the aim is the must, since a count is exact."""
    return [
        Row(what=f"{kind}, {store}", value=number, unit="calls", must=MUST.get(kind, 0), aim=MUST.get(kind, 0))
        for store, kinds in counts_apart().items()
        for kind, number in kinds.items()
    ]


def counts_apart() -> dict[str, dict[str, int]]:
    """Count every kind on every store in a separate process, which imported nothing else."""
    command = [sys.executable, "-m", "benchmarks.calls", "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=SECONDS, env=os.environ | HASHES)
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return found


def _print_all() -> None:
    print(f"{'calls of project code':<24}{'sqlite':>8}{'memory':>8}{'files':>8}{'must':>8}")
    found = {store: asyncio.run(count_calls(store)) for store in STORES}
    for kind in KINDS:
        one = found["sqlite"][kind]
        must = MUST.get(kind)
        mark = f"{must or '':>8}{'' if not must or one.total <= must else '  not reached'}"
        print(f"{kind:<24}{one.total:>8}{found['memory'][kind].total:>8}{one.files:>8}{mark}")


def _print_kind(kind: str, store: str) -> None:
    one = asyncio.run(count_calls(store, [kind]))[kind]
    for name, number in sorted(one.by_function.items(), key=lambda item: (-item[1], item[0])):
        print(f"{number:>5}  {name}")
    print(f"{one.total:>5}  in {one.files} files, {store}")


def main() -> None:
    """Print the counts, or the functions of one kind."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calls", description="Count calls of project code.")
    parser.add_argument("kind", nargs="?", choices=tuple(KINDS), help="print the functions of one kind")
    parser.add_argument("--store", choices=STORES, default="sqlite", help="store for the functions of one kind")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON: store, kind, calls")
    parser.add_argument("--update", action="store_true", help="write the present counts to baseline.json")
    wanted = parser.parse_args()
    if wanted.update:
        update()
    elif wanted.json:
        print(json.dumps(counts()))
    elif wanted.kind:
        _print_kind(wanted.kind, wanted.store)
    else:
        _print_all()


if __name__ == "__main__":
    if HASHES.items() <= os.environ.items():
        main()
    else:
        os.execve(sys.executable, [sys.executable, "-m", "benchmarks.calls", *sys.argv[1:]], os.environ | HASHES)

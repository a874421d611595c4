"""Where a warm request spends its time: samples of the processor's clock, sorted into the stages of a request.

The kernel interrupts the process after equal amounts of processor time, and each interruption counts for the stage of
the line that runs. A stage is known by the file of the innermost function of the project, or of the app, and within
some files by the function or by the text of the line, since one function both hashes a record and writes it.
"""

from __future__ import annotations

import linecache
import re
import signal
import tempfile
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Final

import authguard
from benchmarks.rounds import MICROSECONDS
from benchmarks.table import Row
from benchmarks.warm import NOW, Requests, show
from benchmarks.world import StillClock, World, receive, send

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

HOME: Final = f"{Path(authguard.__file__).parent}/"
#: seconds of processor time between two samples; the kernel may not do it more often than its clock ticks
EVERY: Final = 0.001
APP: Final = "the app"
OTHER: Final = "calls in between"
#: the first line that matches names the stage: stage, ``FILE:FUNCTION``, text of the line
STAGES: Final = tuple(
    (stage, re.compile(where), re.compile(text))
    for stage, where, text in (
        ("write", r"^audit/write/", r"\bwritev?\(|\b_?write\w*\("),
        ("versions", r"", r"peek_versions|\bversions?\b"),
        ("record", r"^audit/|^records/|^ids\.py|^clock\.py|^app_log\.py|journal\.py|core/(chain|entries)\.py", r""),
        ("versions", r"^stores/|state_repository\.py", r""),
        ("match", r"^(evaluation/(resolver|operation_index)|asgi/(app|unnamed_route_log))\.py", r""),
        ("read headers", r"^asgi/(evidence|credential_place|dpop|request_context|body)\.py", r""),
        ("credential", r"^credentials/|^core/credential|^evaluation/(claim|oauth_client|sharing)", r""),
        ("look up", r"^(runtime|evaluation)/", r""),
        ("build for the app", r"^asgi/(user|guard|app_scope)\.py|:\w+\.(_fill_scope|_apply_verdict)$", r""),
    )
)
#: in the order of a request
NAMES: Final = (
    *("match", "read headers", "credential", "look up", "versions", "record", "write", "build for the app"),
    *(OTHER, APP),
)


def stage_of(function: str, line: str = "") -> str:
    """Return the stage of a line of the project.

    Args:
        function: ``FILE:FUNCTION``.
        line: the text of the line.
    """
    for stage, where, text in STAGES:
        if where.search(function) and text.search(line):
            return stage
    return OTHER


class Samples:
    """Counts the stages in which samples of this process fall.

    Attributes:
        stages: stage -> samples.
    """

    def __init__(self) -> None:
        self.stages: Counter[str] = Counter()

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take samples of the main thread."""
        before = signal.signal(signal.SIGPROF, self._note)
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def _note(self, _: int, frame: FrameType | None) -> None:
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(HOME):
                line = linecache.getline(path, frame.f_lineno or 0)  # some instructions have no line
                self.stages[stage_of(f"{path.removeprefix(HOME)}:{frame.f_code.co_qualname}", line)] += 1
                return
            if "/starlette/" in path or "/benchmarks/" in path:
                self.stages[APP] += 1
                return
            frame = frame.f_back


async def stages(tokens: int, requests: int, size: int = 1_000) -> list[Row]:
    """Sample warm requests with live tokens in random order on the memory store.

    Args:
        tokens: live tokens.
        requests: number of requests.
        size: requests between two preparations.

    Returns:
        A row per stage: microseconds per request, of the processor's time of all requests.
    """
    samples, spent, done = Samples(), 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        world = World.create(Path(name))
        shown = world.tokens(tokens)
        async with world.guarded("stages", StillClock(world.began + NOW)) as guarded:
            await show(guarded, shown)
            source = Requests(shown)
            while done < requests:
                batch = source.some(min(size, requests - done))
                start = process_time()
                with samples.taking():
                    for scope in batch:
                        await guarded(scope, receive, send)
                spent += process_time() - start
                done += len(batch)
    number = max(1, samples.stages.total())
    each = spent / done * MICROSECONDS
    return [
        Row(
            what=f"{stage}, {samples.stages[stage] / number:.0%}",
            value=each * samples.stages[stage] / number,
            unit="us",
        )
        for stage in NAMES
    ]

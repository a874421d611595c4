"""A background task continues after its caller was cancelled, on both event loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from authguard.outbound import background_task

if TYPE_CHECKING:
    from collections.abc import Callable


def test_work_outlives_the_scope_that_started_it(run: Callable[..., Any]) -> None:
    async def scene() -> str:
        said: list[str] = []
        go, done = anyio.Event(), anyio.Event()

        async def work() -> None:
            await go.wait()
            said.append("done")
            done.set()

        with anyio.CancelScope() as scope:
            held = background_task.spawn(work)
            scope.cancel()
            await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught
        assert held is not None
        go.set()
        await done.wait()
        return said[0]

    assert run(scene) == "done"

"""The response to a sign-out waits until the second of the sign-out has ended, and never longer than that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from authguard.runtime.sign_out_delay import MARGIN_S, wait_for_next_second
from authguard.testing import FakeClock
from tests.stores.samples import BLANK, amended

if TYPE_CHECKING:
    from authguard.core.snapshot import Snapshot

NOW = 1_800_000_000.0


def signed_out(*, session: float = 0.0, account: float = 0.0) -> Snapshot:
    return amended(amended(BLANK, "session", entered=session), "account", not_before=account)


@pytest.mark.parametrize(
    ("after", "now", "waits"),
    [
        (signed_out(session=NOW + 0.25), NOW + 0.25, 0.75),
        (signed_out(session=NOW), NOW, 1.0),
        (signed_out(account=NOW + 0.5), NOW + 0.75, 0.25),
        (signed_out(session=NOW + 0.5, account=NOW + 3.5), NOW + 3.5, 0.5),
        (signed_out(session=NOW), NOW + 5, 0.0),
        (signed_out(session=NOW + 60), NOW, 1.0),
    ],
    ids=["session", "whole second", "account", "the later of both", "long ago", "a clock that went back"],
)
async def test_it_waits_for_the_rest_of_the_second(
    after: Snapshot, now: float, waits: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(anyio, "sleep", sleep)

    await wait_for_next_second(FakeClock(now), after)

    assert slept == [pytest.approx(waits + MARGIN_S)]

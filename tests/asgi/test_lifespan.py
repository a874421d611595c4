"""The guard closes for every app: one without lifespan support, one that raises, and one that returns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from tests.attacks.harness import Site
from tests.attacks.names import HEAD

if TYPE_CHECKING:
    from pathlib import Path

    from authguard import AuthGuard


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path)
    made.policy(HEAD)
    return made


async def answer(send: Any) -> None:
    """Answer a request."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def raises(scope: Any, _receive: Any, send: Any) -> None:
    """Reject the lifespan with an exception, as Django does."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    await answer(send)


async def returns(scope: Any, _receive: Any, send: Any) -> None:
    """Ignore the lifespan, and return."""
    if scope["type"] == "http":
        await answer(send)


async def listens(scope: Any, receive: Any, send: Any) -> None:
    """Receive the startup message, and return."""
    if scope["type"] == "http":
        await answer(send)
    else:
        await receive()


async def falls(scope: Any, receive: Any, _send: Any) -> None:
    """Raise during the startup."""
    await receive()
    raise LookupError(scope["type"])


async def fails_to_stop(scope: Any, receive: Any, send: Any) -> None:
    """Start, and raise during the shutdown."""
    if scope["type"] == "http":
        await answer(send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise LookupError("lifespan")


def acts(site: Site) -> list[str]:
    """List the records of the log about start and stop."""
    text = (site.folder / "audit.jsonl").read_text("utf-8")
    return [act for line in text.splitlines() for act in ("started", "stopped") if f'"act":"{act}"' in line]


@pytest.mark.parametrize("app", [raises, returns, listens])
def test_for_an_app_without_a_lifespan_the_guard_answers_and_closes(site: Site, app: Any) -> None:
    guard: AuthGuard = site.guard(app)
    with TestClient(guard) as client:
        assert client.get("/.authguard/healthz").status_code == 200
        assert acts(site) == ["started"]
    assert acts(site) == ["started", "stopped"]


@pytest.mark.parametrize("app", [falls, fails_to_stop])
def test_an_app_that_falls_leaves_no_guard_open(site: Site, app: Any) -> None:
    with pytest.raises(LookupError), TestClient(site.guard(app)):
        pass
    assert acts(site) == ["started", "stopped"]

"""The control API of the test identity provider: requests that a test may send and a real provider would not accept.

Rule: requests and responses are JSON, and the content type has to be JSON; thus no web page can post here by a plain
form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from authguard.testing.keys import Published  # noqa: TC001 - msgspec reads the annotation
from authguard.testing.provider import MAX_HANG_S, Mode, Outage, Place, Provider, ScriptedResponse, SignInOrder

if TYPE_CHECKING:
    from starlette.requests import Request

_Body = TypeVar("_Body")
MAX_BODY_BYTES = 65_536


class AccountOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `account_status` of a subject's later tokens; None removes the claim."""

    subject: str
    status: str | None


class RotateOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The algorithms that get fresh keys (empty: all), and whether the old keys stay published."""

    overlap: bool = True
    algs: tuple[Published, ...] = ()


class OutageOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The failing endpoints, the mode, and for `hang` the delay in seconds; mode None ends the outage."""

    mode: Mode | None
    seconds: Annotated[float, msgspec.Meta(ge=0, le=MAX_HANG_S)] = 30.0
    at: tuple[Place, ...] = ("discovery", "jwks")


class StepUpOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A step-up of the sign-in with this refresh token."""

    refresh_token: str
    acr: str | None = "aal2"
    amr: tuple[str, ...] = ("pwd", "otp")
    auth_time: int | None = None


class ClockOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An offset from the wall clock in seconds, or a fixed time (seconds since the epoch)."""

    offset: float = 0.0
    at: float | None = None


async def read_body(request: Request) -> bytes:
    """Read a request body of bounded size.

    Raises:
        HTTPException: 413, the body is over 64 KiB.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413)
    return body


async def _read(request: Request, shape: type[_Body]) -> _Body:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return msgspec.json.decode(await read_body(request) or b"{}", type=shape)
    except ValueError as problem:  # includes validation errors
        raise HTTPException(400, str(problem)) from problem


def control_routes(provider: Provider) -> list[Route]:
    """Return the routes under `/control` of one provider."""

    async def sign_in(request: Request) -> Response:
        return JSONResponse(provider.sign_in(await _read(request, SignInOrder)))

    async def step_up(request: Request) -> Response:
        order = await _read(request, StepUpOrder)
        answer = provider.step_up(order.refresh_token, acr=order.acr, amr=order.amr, auth_time=order.auth_time)
        return JSONResponse({"error": answer}, 400) if isinstance(answer, str) else JSONResponse(answer)

    async def introspection(request: Request) -> Response:
        provider.script(await _read(request, ScriptedResponse))
        return Response(status_code=204)

    async def account(request: Request) -> Response:
        order = await _read(request, AccountOrder)
        provider.set_status(order.subject, order.status)
        return Response(status_code=204)

    async def rotate(request: Request) -> Response:
        order = await _read(request, RotateOrder)
        return JSONResponse(provider.rotate(order.algs, overlap=order.overlap))

    async def outage(request: Request) -> Response:
        order = await _read(request, OutageOrder)
        provider.outage = order.mode and Outage(order.mode, order.seconds, frozenset(order.at))
        return Response(status_code=204)

    async def clock(request: Request) -> Response:
        order = await _read(request, ClockOrder)  # JSON has no infinities: every number is a time
        provider.set_clock(offset=order.offset, at=order.at)
        return JSONResponse({"now": provider.now()})

    async def reset(request: Request) -> Response:
        await _read(request, dict)
        provider.reset()
        return Response(status_code=204)

    async def requests(_: Request) -> Response:
        return JSONResponse(dict(provider.counts))

    posts = {
        "sign-in": sign_in,
        "step-up": step_up,
        "introspection": introspection,
        "account": account,
        "rotate": rotate,
        "outage": outage,
        "clock": clock,
        "reset": reset,
    }
    return [
        *(Route(f"/control/{name}", endpoint, methods=["POST"]) for name, endpoint in posts.items()),
        Route("/control/requests", requests, methods=["GET"]),
    ]

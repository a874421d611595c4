"""Attacks by a path that a router forgives and the guard does not, where the policy admits what nobody named."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations when it runs
from starlette.responses import JSONResponse

from tests.attacks.harness import Site, ask, attack
from tests.attacks.harness_ways import BODY, POLICY, plain_app, records

if TYPE_CHECKING:
    from collections.abc import Sequence

#: what routers are known to forgive, as it is sent
FORGIVEN: Final = (
    *("//pay", "/./pay", "/x/../pay", "/pay/.", "/pay//", "/PAY", "/Pay/", "/pay;jsessionid=1", "/%2570ay"),
    *("/pay%3bx", "/pay%20", "/%5Cpay", "/%EF%BD%90ay", "/v1/pay", "/api/v1/pay", "/pay.json", "/shop%2fpay"),
)


async def _pay(_: Request) -> JSONResponse:
    return JSONResponse({"paid": True})


def _ask_all(guard: Any, token: str, paths: Sequence[str]) -> dict[str, int]:
    async def send_all() -> dict[str, int]:
        return {path: (await ask(guard, "POST", path, token, body=BODY)).status for path in paths}

    return asyncio.run(send_all())


@attack(13)
def a_path_that_a_router_forgives_is_judged_as_what_nobody_named(site: Site) -> None:
    """Pay by a path that names the payment after what routers forgive: slashes, dots, encoding, case, parameters."""
    site.policy(POLICY)
    ran: list[str] = []
    statuses = _ask_all(site.guard(plain_app(ran)), site.token(), FORGIVEN)
    assert not ran, f"`{ran[0]}` ran, judged as what nobody named"
    assert set(statuses.values()) == {404}, f"the answers are {statuses}"
    assert records(site, "path-lookalike") == len(FORGIVEN), "a refusal is not recorded with its reason"


@attack(13)
def a_named_path_is_moved_by_the_apps_own_root_path(site: Site) -> None:
    """Pay under `FastAPI(root_path="/api")`, whose router takes `/api` off by itself."""
    site.policy(POLICY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer FastAPI warns of `root_path`, and still takes it off
        app = FastAPI(root_path="/api")
    app.add_api_route("/pay", _pay, methods=["POST"])
    app.add_api_route("/{rest:path}", _pay, methods=["GET"])
    statuses = _ask_all(site.guard(app), site.token(), ["/api/pay"])
    assert statuses == {"/api/pay": 404}, f"the answer is {statuses}"
    # the app sets its own root path whatever the server says, so what looks public reaches the route for all the rest
    answer = asyncio.run(ask(site.guard(app), "GET", "/x/healthz", root_path="/x"))
    assert answer.status != 200, "`GET /x/healthz` was judged as `/healthz`, and reached another route"


@attack(13)
def a_named_path_is_moved_by_a_prefix_of_a_router(site: Site) -> None:
    """Pay by `/v1/pay`, to which `include_router(prefix="/v1")` moved what the policy names `/pay`."""
    site.policy(POLICY)
    router = APIRouter()
    router.add_api_route("/pay", _pay, methods=["POST"])
    app = FastAPI()
    app.include_router(router, prefix="/v1")
    statuses = _ask_all(site.guard(app), site.token(), ["/v1/pay"])
    assert statuses == {"/v1/pay": 404}, f"the answer is {statuses}"


@attack(13)
def a_slash_at_the_end_is_judged_as_what_nobody_named(site: Site) -> None:
    """Pay by `/pay/`, which frameworks serve as `/pay`: it needs what `/pay` needs."""
    site.policy(POLICY)
    ran: list[str] = []
    statuses = _ask_all(site.guard(plain_app(ran)), site.token(), ["/pay", "/pay/"])
    assert not ran, f"`{ran[0]}` ran, judged as what nobody named"
    assert statuses == {"/pay": 403, "/pay/": 403}, f"the answers are {statuses}"

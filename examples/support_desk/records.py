"""The back office, a process of its own: says what is on file of a customer, and compares what they say with it.

The desk knows it only as two addresses in `policy.yaml`: a verification service and an account directory. Everybody's
mother was called Okafor here, and everybody's first pet Rex.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

#: question -> answer
ON_FILE: Final = {"maiden_name": "okafor", "first_pet": "rex"}
#: customers whose accounts are not in order, whatever their token claims; everybody else's is `ok`
STATUSES: Final = {"rob": "locked", "sue": "sleeping"}


async def quiz(request: Request) -> Response:
    """Score what a customer said: the part of it that is right, from 0 to 1."""
    said: dict[str, Any] = json.loads(await request.body())["answers"]
    right = sum(str(said.get(question, "")).casefold() == answer for question, answer in ON_FILE.items())
    return JSONResponse({"score": right / len(ON_FILE)})


async def account(request: Request) -> Response:
    """Say in what state an account is."""
    subject = json.loads(await request.body())["subject"]
    return JSONResponse({"status": STATUSES.get(subject, "ok")})


app = Starlette(routes=[Route("/quiz", quiz, methods=["POST"]), Route("/account", account, methods=["POST"])])

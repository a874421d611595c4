"""The back office, a separate process: a verification service with questions, and an account directory.

The desk knows only its two addresses in `policy.yaml`. Every customer has the same answers here.
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
#: customers with other account states than `ok`, whatever their token claims
STATUSES: Final = {"rob": "locked", "sue": "sleeping"}


async def quiz(request: Request) -> Response:
    """Return the share of correct answers, from 0 to 1."""
    answers: dict[str, Any] = json.loads(await request.body())["answers"]
    right = sum(str(answers.get(question, "")).casefold() == answer for question, answer in ON_FILE.items())
    return JSONResponse({"score": right / len(ON_FILE)})


async def account(request: Request) -> Response:
    """Return the state of an account."""
    subject = json.loads(await request.body())["subject"]
    return JSONResponse({"status": STATUSES.get(subject, "ok")})


app = Starlette(routes=[Route("/quiz", quiz, methods=["POST"]), Route("/account", account, methods=["POST"])])

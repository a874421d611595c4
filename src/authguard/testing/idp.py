"""An identity provider for tests and demonstrations in a separate process: `python -m authguard.testing.idp`.

Rules:
- It listens on 127.0.0.1 and rejects requests with another host name, because it signs whatever it is asked to sign.
- It writes one line, `{"issuer": "http://127.0.0.1:PORT"}`, when it listens; it writes no token or claim anywhere.
- There is no authorization endpoint: `POST /control/sign-in` replaces the customer's browser.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import signal
import socket
import sys
from base64 import b64decode
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from authguard.testing.control import control_routes, read_body
from authguard.testing.keys import PUBLISHABLE
from authguard.testing.provider import COUNTED_ENDPOINTS, Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import uvicorn
    from starlette.requests import Request
    from starlette.types import ASGIApp, Receive, Scope, Send

RESOURCE_SERVER: Final = ("resource-server", "loopback-only")
"""The Basic credentials for `/introspect` (RFC 7662 section 2.1); public, because all data here is fictitious."""

_NO_STORE: Final = {"Cache-Control": "no-store"}  # RFC 6749 section 5.1


class _FrontDoor:
    """Rejects foreign hosts, counts requests and simulates outages, in front of the endpoints."""

    def __init__(self, app: ASGIApp, provider: Provider) -> None:
        self.app = app
        self.provider = provider
        self.host = provider.issuer.removeprefix("http://").encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        # DNS rebinding: a web page with a name that resolves to this address sends that name, and must not sign in.
        if dict(scope["headers"]).get(b"host") != self.host:
            await PlainTextResponse("unknown host\n", 421)(scope, receive, send)
            return
        if not path.startswith("/control/"):
            self.provider.counts[path if path in COUNTED_ENDPOINTS else "other"] += 1
        answer = await self._outage_response(COUNTED_ENDPOINTS.get(path, ""))
        await (self.app if answer is None else answer)(scope, receive, send)

    async def _outage_response(self, place: str) -> Response | None:
        """Return the response of the outage, if the endpoint has one; after a simulated hang, return None."""
        outage = self.provider.outage
        if outage is None or place not in outage.places:
            return None
        match outage.mode:
            case "down":
                return PlainTextResponse("down for a test\n", 503, {"Retry-After": "1"})
            case "garbage":
                return Response(b"<html>\xff not what you asked for", 200, media_type="application/json")
            case "redirect":
                return RedirectResponse(f"{self.provider.issuer}/elsewhere", 302)
            case "hang":
                await asyncio.sleep(outage.seconds)
                return None


class _Endpoints:
    """The endpoints that an authorization server offers to resource servers and clients."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/.well-known/oauth-authorization-server", self.discovery),
            Route("/jwks", self.jwks),
            Route("/token", self.token, methods=["POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
            Route("/introspect", self.introspect, methods=["POST"]),
        ]

    async def discovery(self, _: Request) -> Response:
        return JSONResponse(_metadata(self.provider.issuer))

    async def jwks(self, request: Request) -> Response:
        answer = JSONResponse(self.provider.jwks(), media_type="application/jwk-set+json")
        tag = f'"{hashlib.sha256(bytes(answer.body)).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "public, max-age=300"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        answer.headers.update(headers)
        return answer

    async def token(self, request: Request) -> Response:
        form = await _form(request)
        if form.get("grant_type") != "refresh_token":
            return _refused("unsupported_grant_type")
        if "refresh_token" not in form:
            return _refused("invalid_request")
        answer = self.provider.refresh(form["refresh_token"], form.get("client_id"), form.get("scope"))
        return _refused(answer) if isinstance(answer, str) else JSONResponse(answer, headers=_NO_STORE)

    async def revoke(self, request: Request) -> Response:
        form = await _form(request)
        if "token" not in form:
            return _refused("invalid_request")
        error = self.provider.revoke(form["token"], form.get("client_id"))
        return _refused(error) if error else Response(headers=_NO_STORE)

    async def introspect(self, request: Request) -> Response:
        if not _is_resource_server(request.headers.get("authorization", "")):
            return _refused("invalid_client", 401, {"WWW-Authenticate": 'Basic realm="introspection"'})
        form = await _form(request)
        if "token" not in form:
            return _refused("invalid_request")
        response, script = self.provider.introspect(form["token"]), self.provider.scripted()
        if script is None:
            return JSONResponse(response, headers=_NO_STORE)
        changed = {name: value for name, value in (response | script.claims).items() if value is not None}
        body = json.dumps(changed) if script.body is None else script.body
        headers = {**_NO_STORE, "Content-Type": script.content_type, **script.headers}
        return Response(body.encode("utf-8", "surrogateescape"), script.status, headers)


def create_app(provider: Provider, announce: Callable[[], None] = lambda: None) -> ASGIApp:
    """Return the ASGI application of a provider; it calls `announce` when its lifespan starts."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        announce()
        yield

    app = Starlette(routes=[*_Endpoints(provider).routes(), *control_routes(provider)], lifespan=lifespan)
    return _FrontDoor(app, provider)


def _metadata(issuer: str) -> dict[str, Any]:
    """Return the metadata of RFC 8414 section 2, which OpenID Connect Discovery section 3 shares."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "token_endpoint": f"{issuer}/token",
        "revocation_endpoint": f"{issuer}/revoke",
        "introspection_endpoint": f"{issuer}/introspect",
        "grant_types_supported": ["refresh_token"],
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(PUBLISHABLE),
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
    }


async def _form(request: Request) -> dict[str, str]:
    """Parse a form; a repeated parameter is malformed (RFC 6749 section 3.2)."""
    try:
        pairs = parse_qsl((await read_body(request)).decode(), max_num_fields=32)
    except ValueError as problem:
        raise HTTPException(400, "not a form") from problem
    form = dict(pairs)
    if len(form) != len(pairs):
        raise HTTPException(400, "a parameter is repeated")
    return form


def _refused(error: str, status: int = 400, headers: dict[str, str] | None = None) -> Response:
    """Return the error of RFC 6749 section 5.2."""
    return JSONResponse({"error": error}, status, _NO_STORE | (headers or {}))


def _is_resource_server(authorization: str) -> bool:
    scheme, _, encoded = authorization.partition(" ")
    try:
        sent = b64decode(encoded, validate=True)
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(sent, ":".join(RESOURCE_SERVER).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Listen on loopback until a signal arrives, or until the parent ends if `--until-stdin-closes` is given."""
    parser = argparse.ArgumentParser(prog="authguard.testing.idp", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, default=0, help="0 for a free port")
    parser.add_argument("--ready-file", type=Path, help="write the line to this file, not to standard output")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end with the process that started this one")
    options = parser.parse_args(arguments)
    try:
        import uvicorn  # noqa: PLC0415 - an extra: without it, the message says what to install
    except ModuleNotFoundError:
        parser.error("the test identity provider is served by uvicorn: pip install 'authguard[testing]'")
    for number in (signal.SIGINT, signal.SIGTERM):
        # The server handles both signals while it runs and raises them again at its end; ignored there, it exits 0.
        signal.signal(number, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", options.port)) as listener:
        # asyncio sets this only on sockets that name their protocol; without it, each response waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        issuer = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(Provider(issuer), lambda: _announce(issuer, options.ready_file))
        server = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="on",
                log_level="critical",
                access_log=False,
                timeout_graceful_shutdown=1,
            )
        )
        if options.until_stdin_closes:
            Thread(target=_end_with_parent, args=(server,), daemon=True).start()
        server.run(sockets=[listener])


def _announce(issuer: str, ready_file: Path | None) -> None:
    """Write the issuer atomically: a reader of the file never sees half a line."""
    line = json.dumps({"issuer": issuer})
    if ready_file is None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        return
    draft = ready_file.with_name(f"{ready_file.name}.{os.getpid()}")
    draft.write_text(f"{line}\n", encoding="utf-8")
    draft.replace(ready_file)


def _end_with_parent(server: uvicorn.Server) -> None:
    """Stop at the end of standard input, which the operating system closes however the parent ended."""
    while os.read(0, 4096):  # not sys.stdin: a daemon thread would hold its lock at interpreter exit
        pass
    server.should_exit = True


if __name__ == "__main__":
    main()

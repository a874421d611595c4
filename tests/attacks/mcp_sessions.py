"""Attacks on agent protocols behind the guard: another customer with the session id or the task id of a first one.

Two issuers, two users and one client, against the real MCP SDK and the real A2A SDK over a real server.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tests.attacks.harness import attack
from tests.attacks.people import token_of, two_issuers

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.attacks.harness import Site

OPERATIONS: Final = """\
  - {name: mcp, match: {path: /mcp}, risk: routine, effect: read, scopes: [chat]}
  - {name: sse, match: {path: /sse}, risk: routine, effect: read, scopes: [chat]}
  - {name: messages, match: {path: '/messages/{rest:path}'}, risk: routine, effect: read, scopes: [chat]}
  - {name: a2a, match: {path: /a2a, method: POST}, risk: routine, effect: read, scopes: [chat]}"""
GUARDED: Final = """
from authguard import AuthGuard
from authguard.testing import FakeClock

app = AuthGuard(served, "policy.yaml", store="memory", audit_log="audit.jsonl", clock=FakeClock(), environ={})
"""
MCP: Final = """
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

server = MCPServer("attacked")


@server.tool()
async def whoami() -> str:
    token = get_access_token()
    return "nobody" if token is None else f"{(token.claims or {}).get('iss')} {token.subject} {token.token}"

"""
A2A: Final = """
from a2a.server.agent_execution import AgentExecutor
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore
from a2a.types import a2a_pb2 as a2a
from starlette.applications import Starlette


class Agent(AgentExecutor):
    async def execute(self, context, event_queue):
        done = a2a.TaskStatus(state=a2a.TaskState.TASK_STATE_COMPLETED)
        await event_queue.enqueue_event(
            a2a.Task(id=context.task_id, context_id=context.context_id, status=done, history=[context.message])
        )

    async def cancel(self, context, event_queue):
        raise NotImplementedError


card = a2a.AgentCard(
    name="attacked", description="keeps a task", version="1",
    supported_interfaces=[
        a2a.AgentInterface(url="http://agent.test/a2a", protocol_binding="JSONRPC", protocol_version="1.0")
    ],
    default_input_modes=["text/plain"], default_output_modes=["text/plain"],
)
handler = DefaultRequestHandler(agent_executor=Agent(), task_store=InMemoryTaskStore(), agent_card=card)
served = Starlette(routes=create_jsonrpc_routes(handler, "/a2a"))
"""
VERSION: Final = "2025-11-25"
ACCEPT: Final = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HELLO: Final = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": VERSION,
        "capabilities": {},
        "clientInfo": {"name": "attack", "version": "1"},
    },
}
LIST: Final = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}
WAIT_S: Final = 60.0


def _call(tool: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": tool, "arguments": {}}}


def _play(site: Site, source: str, scene: Callable[[str, dict[str, str]], Coroutine[Any, Any, None]]) -> None:
    """Serve an app behind the guard, and play a scene with the four users' tokens."""
    partner = two_issuers(site, OPERATIONS)
    tokens = {
        f"{who}@{where}": token_of(mint, who)
        for where, mint in (("issuer", site.mint), ("partner", partner))
        for who in ("alice", "bob")
    }
    with site.served(source + GUARDED) as port:
        asyncio.run(scene(f"http://127.0.0.1:{port}", tokens))


def _headers(token: str, session: str = "") -> dict[str, str]:
    named = {"Mcp-Session-Id": session, "MCP-Protocol-Version": VERSION} if session else {}
    return {"Authorization": f"Bearer {token}", **ACCEPT, **named}


@attack(13)
def a_foreign_mcp_session_is_used(site: Site) -> None:
    """List, call, resume and delete another customer's MCP session by its id (streamable HTTP)."""

    async def scene(url: str, tokens: dict[str, str]) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=WAIT_S) as http:
            opened = await http.post("/mcp", json=HELLO, headers=_headers(tokens["alice@issuer"]))
            session = opened.headers["mcp-session-id"]
            for name, token in tokens.items():
                if name == "alice@issuer":
                    continue
                used = await http.post("/mcp", json=LIST, headers=_headers(token, session))
                assert used.status_code == 404, f"{name} uses the session of alice@issuer: {used.status_code}"
                async with http.stream("GET", "/mcp", headers=_headers(token, session)) as resumed:
                    assert resumed.status_code == 404, f"{name} resumes the stream of alice@issuer"
                ended = await http.delete("/mcp", headers=_headers(token, session))
                assert ended.status_code == 404, f"{name} deletes the session of alice@issuer: {ended.status_code}"
            mine = await http.post("/mcp", json=LIST, headers=_headers(tokens["alice@issuer"], session))
            assert (mine.status_code, "whoami" in mine.text) == (200, True), "its owner no longer has the session"

    _play(site, MCP + "served = server.streamable_http_app()\n", scene)


@attack(13)
def a_foreign_sse_session_is_written_to(site: Site) -> None:
    """Post a message into another customer's MCP session over SSE."""

    async def scene(url: str, tokens: dict[str, str]) -> None:
        async with (
            httpx2.AsyncClient(base_url=url, timeout=WAIT_S) as http,
            http.stream("GET", "/sse", headers=_headers(tokens["alice@issuer"])) as stream,
        ):
            lines = stream.aiter_lines()
            place = ""
            while not place:
                line = await anext(lines)
                place = line.removeprefix("data: ") if line.startswith("data: ") else ""
            for name, token in tokens.items():
                sent = await http.post(place, json=HELLO, headers=_headers(token))
                wanted = 202 if name == "alice@issuer" else 404
                assert sent.status_code == wanted, f"{name} writes to the session of alice@issuer"

    _play(site, MCP + "served = server.sse_app()\n", scene)


@attack(13)
def users_of_one_client_are_one_to_a_stateless_tool(site: Site) -> None:
    """Ask a stateless MCP tool who asks: users of one client have to be told apart, and no credential is handed on."""

    async def scene(url: str, tokens: dict[str, str]) -> None:
        seen: dict[str, str] = {}
        async with httpx2.AsyncClient(base_url=url, timeout=WAIT_S) as http:
            for name, token in tokens.items():
                answer = await http.post("/mcp", json=_call("whoami"), headers=_headers(token))
                seen[name] = answer.json()["result"]["content"][0]["text"]
        assert seen == {
            f"{who}@{where}": f"https://{where}.test {who} "
            for where in ("issuer", "partner")
            for who in ("alice", "bob")
        }, f"the tool sees {seen}"

    source = MCP + "served = server.streamable_http_app(stateless_http=True, json_response=True)\n"
    _play(site, source, scene)


@attack(13)
def a_namesake_reads_an_a2a_task(site: Site) -> None:
    """Get another customer's A2A task by its id, as a namesake at another issuer and as another user."""

    async def scene(url: str, tokens: dict[str, str]) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=WAIT_S) as http:

            async def rpc(token: str, method: str, params: dict[str, Any]) -> Any:
                body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
                headers = {"Authorization": f"Bearer {token}", "A2A-Version": "1.0"}
                return (await http.post("/a2a", json=body, headers=headers)).json()

            message = {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": "my diary"}]}
            made = await rpc(tokens["alice@issuer"], "SendMessage", {"message": message})
            task = made["result"]["task"]["id"]
            for name, token in tokens.items():
                answer = await rpc(token, "GetTask", {"id": task})
                owns = name == "alice@issuer"
                assert ("my diary" in json.dumps(answer)) == owns, f"{name} and alice@issuer's task: {answer}"

    _play(site, A2A, scene)


STATEFUL_TOOL: Final = """
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import InputRequiredResult

server = MCPServer("attacked")


@server.tool()
async def confirm(ctx: Context) -> str | InputRequiredResult:
    if ctx.request_state is not None:
        return f"went on with {ctx.request_state}"
    return InputRequiredResult(request_state="alice's order")


served = server.streamable_http_app(stateless_http=True, json_response=True)
"""
LATEST: Final = "2026-07-28"
META: Final = {
    "io.modelcontextprotocol/protocolVersion": LATEST,
    "io.modelcontextprotocol/clientInfo": {"name": "attack", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@attack(13)
def a_foreign_request_state_is_resumed(site: Site) -> None:
    """Go on with the `requestState` that the MCP SDK sealed for another customer (MCP 2026-07-28, stateless)."""

    async def scene(url: str, tokens: dict[str, str]) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=WAIT_S) as http:

            async def confirm(token: str, state: str = "") -> str:
                named = {"Mcp-Method": "tools/call", "Mcp-Name": "confirm", "MCP-Protocol-Version": LATEST}
                parameters = {"name": "confirm", "arguments": {}, "_meta": META}
                if state:
                    parameters["requestState"] = state
                body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters}
                return (await http.post("/mcp", json=body, headers=_headers(token) | named)).text

            state = json.loads(await confirm(tokens["alice@issuer"]))["result"]["requestState"]
            for name, token in tokens.items():
                went_on = "alice's order" in await confirm(token, state)
                assert went_on == (name == "alice@issuer"), f"{name} and the state of alice@issuer: {went_on}"

    _play(site, STATEFUL_TOOL, scene)

"""MCP clients that others wrote sign in by themselves at somebody else's issuer, and use a real MCP server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

from tests.foreign.conftest import POLICY, node, serve
from tests.foreign.issuer import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.foreign.conftest import Agent
    from tests.foreign.issuer import Issuer

BACK = "http://localhost:9/back"
MCP = "  - {name: mcp, match: {path: /mcp}, risk: routine, effect: read, scopes: [chat]}\n"
#: where the audience stands -> what the policy lists, and the resource of which clients ask for a token
AUDIENCES = {
    "path": ("'{url}/mcp'", "/mcp"),
    "origin": ("'{url}'", ""),
    "origin-slash": ("'{url}/'", "/"),
    "both": ("['{url}', '{url}/mcp']", "/mcp"),
}
#: a client that the issuer knows already, or none
CLIENTS = ["", "mcp-client"]


def mcp_server() -> Any:
    """Build a server with one tool, which tells who calls."""
    server = MCPServer("foreign")

    @server.tool()
    async def whoami() -> str:
        token = get_access_token()
        return "nobody" if token is None else f"{token.subject} {token.client_id} {token.token}"

    return server.streamable_http_app()


@pytest.fixture(params=list(AUDIENCES))
async def served(request: pytest.FixtureRequest, issuer: Issuer, tmp_path: Path) -> AsyncIterator[tuple[Agent, str]]:
    """Serve the MCP server; give the resource of which its clients have to ask for a token."""
    listed, resource = AUDIENCES[request.param]
    policy = POLICY.read_text("utf-8").replace("audience: https://agent.test", f"audience: {listed}")
    policy = policy.replace("operations:\n", f"operations:\n{MCP}")
    async with serve(tmp_path, issuer.url, policy, mcp_server()) as agent:
        yield agent, f"{agent.url}{resource}"


class Storage:
    """What a client keeps."""

    def __init__(self, client: str) -> None:
        self.tokens: OAuthToken | None = None
        self.client = OAuthClientInformationFull(client_id=client, redirect_uris=[BACK]) if client else None  # type: ignore[list-item]  # parsed

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Visit:
    """A browser that walks through the sign-in page of the issuer."""

    def __init__(self) -> None:
        self.asked: dict[str, list[str]] = {}
        self._back: dict[str, list[str]] = {}

    async def go(self, url: str) -> None:
        """Follow the redirects until the client's own address."""
        self.asked = parse_qs(urlsplit(url).query)
        async with httpx2.AsyncClient(timeout=PATIENCE, trust_env=False) as web:
            answer = await web.get(url)
            while not answer.headers["location"].startswith(BACK):
                answer = await web.get(answer.request.url.join(answer.headers["location"]))
        self._back = parse_qs(urlsplit(answer.headers["location"]).query)

    async def back(self) -> AuthorizationCodeResult:
        """Return what the issuer sent with the last redirect."""
        return AuthorizationCodeResult(**{name: self._back[name][0] for name in ("code", "state", "iss")})


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_in_python_signs_in_and_lists_the_tools(served: tuple[Agent, str], client: str) -> None:
    agent, resource = served
    visit, storage = Visit(), Storage(client)
    metadata = OAuthClientMetadata(redirect_uris=[BACK], token_endpoint_auth_method="none", client_name="an agent")  # type: ignore[list-item]  # parsed
    auth = OAuthClientProvider(f"{agent.url}/mcp", metadata, storage, visit.go, visit.back)
    async with (
        httpx2.AsyncClient(auth=auth, timeout=PATIENCE, trust_env=False) as web,
        Client(streamable_http_client(f"{agent.url}/mcp", http_client=web)) as opened,
    ):
        listed = await opened.list_tools()
        called = await opened.call_tool("whoami", {})
    assert [tool.name for tool in listed.tools] == ["whoami"]
    assert called.content[0].text.split() == ["customer-1", storage.client.client_id]  # type: ignore[union-attr]  # a text
    assert visit.asked["resource"] == [resource]
    assert visit.asked["code_challenge_method"] == ["S256"]


@pytest.mark.parametrize("package", ["@modelcontextprotocol/client", "@modelcontextprotocol/sdk"])
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_client_in_typescript_signs_in_and_lists_the_tools(
    served: tuple[Agent, str], package: str, client: str
) -> None:
    agent, resource = served
    told = await node("mcp_client.mjs", package, f"{agent.url}/mcp", *([client] if client else []))
    assert told["tools"] == ["whoami"]
    assert told["said"].split()[0] == "customer-1"
    assert told["resource"] == resource


async def test_a_token_for_another_resource_is_refused(issuer: Issuer, tmp_path: Path) -> None:
    policy = POLICY.read_text("utf-8").replace("audience: https://agent.test", "audience: '{url}/other'")
    policy = policy.replace("operations:\n", f"operations:\n{MCP}")
    async with serve(tmp_path, issuer.url, policy, mcp_server()) as agent:
        with pytest.raises(AssertionError, match=r"[Uu]nauthorized|401"):
            await node("mcp_client.mjs", "@modelcontextprotocol/client", f"{agent.url}/mcp")

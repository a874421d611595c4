"""What goes out over HTTP: one place makes the clients, and none takes a proxy of the environment unless told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import authguard
from authguard.errors import SettingsError
from authguard.outbound.http_client import create_async_client, create_client, uses_environment_proxies

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(authguard.__file__).parent
#: what makes a client, or sends without one
MAKES = re.compile(
    r"\b(?:httpx2?\.(?:Client|AsyncClient|get|post|put|request|stream|create_ssl_context)\(|urllib\.request|"
    r"http\.client|urlopen|\bimport requests\b|smtplib|aiohttp)"
)


def test_one_module_makes_the_clients() -> None:
    found = [str(path) for path in SOURCE.rglob("*.py") if MAKES.search(path.read_text("utf-8"))]
    assert found == [str(SOURCE / "outbound/http_client.py")]


@pytest.fixture(autouse=True)
def proxied(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "AUTHGUARD_PROXIES"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.delenv(name.lower(), raising=False)


def _proxied(client: object, url: str) -> bool:
    """Whether a client would send this through a proxy."""
    import httpx2  # noqa: PLC0415

    assert isinstance(client, httpx2.Client | httpx2.AsyncClient)
    transport: Any = client._transport_for_url(httpx2.URL(url))
    return "Proxy" in type(transport._pool).__name__


@pytest.mark.parametrize("make", [create_client, create_async_client])
def test_no_proxy_of_the_environment_is_taken(make: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    client = make(verify=False)
    assert not _proxied(client, "https://idp.example/keys")
    assert not _proxied(client, "http://127.0.0.1:1/keys")
    monkeypatch.setenv("AUTHGUARD_PROXIES", "environment")
    told = make(verify=False)
    assert _proxied(told, "https://idp.example/keys")
    assert not _proxied(told, "http://127.0.0.1:1/keys")


def test_another_word_is_refused() -> None:
    with pytest.raises(SettingsError, match="AUTHGUARD_PROXIES has to be `environment`"):
        uses_environment_proxies({"AUTHGUARD_PROXIES": "yes"})

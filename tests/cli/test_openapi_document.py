"""Tests of the reader of OpenAPI documents: endpoints with their scopes, from JSON and YAML, within bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from authguard.cli import openapi_document
from authguard.cli.openapi_document import read_openapi
from authguard.errors import SettingsError
from authguard.policy.operation_proposal import Described

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "security": [{"oauth": ["shop"]}],
    "components": {"securitySchemes": {"oauth": {"type": "oauth2"}, "key": {"type": "apiKey"}}},
    "paths": {
        "/open": {"get": {"operationId": "open", "security": []}},
        "/maybe": {"get": {"security": [{}, {"oauth": ["a"]}]}},
        "/orders": {"get": {}, "post": {"security": [{"key": ["x"]}, {"oauth": ["b", "c", 1]}]}, "parameters": []},
    },
}
FOUND = (
    Described(path="/open", method="GET", name="open", is_open=True),
    Described(path="/maybe", method="GET", scopes=("a",), is_open=True),
    Described(path="/orders", method="GET", scopes=("shop",)),
    Described(path="/orders", method="POST", scopes=("b", "c")),
)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "api"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_json_and_yaml_are_read_alike(tmp_path: Path) -> None:
    assert read_openapi(written(tmp_path, json.dumps(DOCUMENT))) == FOUND
    text = "\n".join(f"{key}: {json.dumps(value)}" for key, value in DOCUMENT.items())
    assert read_openapi(written(tmp_path, text)) == FOUND


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "the file has no content"),
        ("{}", "is no OpenAPI 3 document"),
        ('{"swagger": "2.0", "paths": {}}', "is no OpenAPI 3 document"),
        ('{"openapi": "3.0.0", "paths": []}', "is no OpenAPI 3 document"),
        ('{"openapi": "3.0.0", "openapi": "3.1.0"}', "is not valid JSON"),
        ("a: [", "line 1"),
        (b"\xff\xfe", "line 1"),
        ("- a\n", "a document is a mapping of keys"),
    ],
)
def test_another_file_is_refused_with_what_to_name(tmp_path: Path, content: str | bytes, error: str) -> None:
    with pytest.raises(SettingsError, match="name an OpenAPI 3 document") as raised:
        read_openapi(written(tmp_path, content))
    assert error in str(raised.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_openapi(tmp_path / "gone")


def test_a_document_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openapi_document, "MAX_DOCUMENT_NODES", 5)
    with pytest.raises(SettingsError, match="has more than 5 values"):
        read_openapi(written(tmp_path, json.dumps(DOCUMENT)))
    monkeypatch.setattr(openapi_document, "MAX_DOCUMENT_BYTES", 10)
    with pytest.raises(SettingsError, match="is larger than 4 MiB"):
        read_openapi(written(tmp_path, json.dumps(DOCUMENT)))


def test_values_that_a_policy_may_not_have_are_no_fault_of_a_document(tmp_path: Path) -> None:
    text = "openapi: 3.0.0\ninfo: {nullable: yes}\npaths:\n  /a:\n    get: {example: null, security: [], default: ~}\n"
    assert read_openapi(written(tmp_path, text)) == (Described(path="/a", method="GET", is_open=True),)
    with pytest.raises(SettingsError, match="anchor"):  # what it stands for could be security
        read_openapi(written(tmp_path, "openapi: 3.0.0\npaths: &all {}\n"))


def test_odd_parts_are_no_endpoints(tmp_path: Path) -> None:
    odd = DOCUMENT | {"components": [], "security": 1, "paths": {"/a": {"get": []}, "/b": 1, "/c": {"get": {}}}}
    assert read_openapi(written(tmp_path, json.dumps(odd))) == (Described(path="/c", method="GET"),)

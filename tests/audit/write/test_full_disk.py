"""A log on a full disk is not opened, and the message names the variable for another place."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from authguard import AuthGuard
from authguard.audit.write import jsonl
from authguard.errors import AuditError, AuthguardError
from tests.cli.deployment import POLICY

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_server_learns_the_variable_of_a_log_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY, "utf-8")
    guard = AuthGuard(
        lambda *_: None, policy=tmp_path / "policy.yaml", store="memory", audit_log=tmp_path / "audit.jsonl", environ={}
    )
    sent: list[dict[str, str]] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: dict[str, str]) -> None:
        sent.append(message)

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(jsonl.os, "write", refuse)
    with pytest.raises(AuthguardError) as raised:
        await guard({"type": "lifespan"}, receive, send)
    assert isinstance(raised.value, AuditError)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "No space left on device" in sent[0]["message"]
    assert "AUTHGUARD_AUDIT_LOG" in sent[0]["message"]

"""The troubleshooting page has every reason once, each with a remedy that names a command or a key of the policy."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from authguard.cli.reason_cure import CURES, describe_cure
from authguard.core.outcomes import Reason

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
REFERENCE = (ROOT / "docs" / "reference.md").read_text("utf-8")
QUOTED = re.compile(r"`([^`]+)`")


def keys_of(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keys_of, schema)) if schema else set()
    if not isinstance(schema, dict):
        return set()
    return set(schema.get("properties", {})) | set().union(*map(keys_of, schema.values()), set())


KEYS = keys_of(json.loads((ROOT / "policies" / "authguard.schema.json").read_text("utf-8")))


def test_the_page_is_the_generated_one() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/troubleshooting.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_reason_is_on_the_page_once() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(reason.code for reason in Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_remedy_names_a_command_or_a_key(reason: Reason) -> None:
    quoted = QUOTED.findall(CURES[reason])
    commands = [one for one in quoted if one.startswith("authguard ")]
    names = [re.match(r"[\w.]*", one) for one in quoted if not one.startswith("authguard ")]
    keys = [one[0] for one in names if one and one[0] and all(part in KEYS for part in one[0].split("."))]
    assert commands or keys, CURES[reason]
    for command in commands:
        assert f"`{' '.join(command.split()[:3])}" in REFERENCE, command


def test_the_remedy_is_found_by_its_code() -> None:
    assert describe_cure("audience-wrong") == CURES[Reason.AUDIENCE_WRONG]
    assert describe_cure("unheard-of") == ""

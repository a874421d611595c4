"""Tests of `authguard policy diff`: differences, formats and `--fail-on`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import INVALID, OK
from tests.support.harness import POLICY

if TYPE_CHECKING:
    from pathlib import Path

LOOSER = """\
authguard: 1
name: looser
extends: support-desk
decisions:
  - {when: {account: normal, session: active, verification: verified, credential: good, scope: granted, risk: sensitive,
            effect: read, service: live, actor: subject, transaction: none, channel_change: same, assurance: met,
            limit: exceeded}, do: to_a_person}
  - {when: {account: locked, session: active, verification: verified, credential: good, scope: granted, risk: sensitive,
            service: live, actor: subject, transaction: none, channel_change: same, assurance: met,
            limit: within}, do: allow}
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "diff", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


@pytest.fixture
def looser(tmp_path: Path) -> str:
    """Write a policy that admits locked accounts, and hands over what exceeds a limit instead of letting it wait."""
    (tmp_path / "policy.yaml").write_text(LOOSER, "utf-8")
    return str(tmp_path)


def test_text_tells_the_worst_first_with_the_events_that_lead_there(
    capsys: pytest.CaptureFixture[str], looser: str
) -> None:
    code, out, _ = call(capsys, "support-desk", looser)
    assert code == OK
    lines = out.splitlines()
    assert lines[1] == "looser: decisions: sensitive: to_a_person (handoff) becomes allow (allow), 2 cells"
    assert lines[2].startswith("    where service `live`, account `locked`, session `active`, verification `verified`")
    assert lines[3] == "    after session.accepted, account.locked, verification.started, verification.passed"
    assert lines[0] == "support-desk -> looser: 1 looser, 0 may be looser, 1 stricter, 0 changed"


@pytest.mark.parametrize(
    ("fail_on", "old", "expected"),
    [
        ("looser", "support-desk", INVALID),
        ("stricter", "support-desk", INVALID),
        ("any", "support-desk", INVALID),
        ("any", "itself", OK),
    ],
)
def test_it_fails_on_what_it_is_asked_to(
    capsys: pytest.CaptureFixture[str], looser: str, fail_on: str, old: str, expected: int
) -> None:
    assert call(capsys, looser if old == "itself" else old, looser, "--fail-on", fail_on)[0] == expected


def test_json_and_markdown_tell_the_same(capsys: pytest.CaptureFixture[str], looser: str, tmp_path: Path) -> None:
    written = tmp_path / "diff.json"
    code, out, _ = call(capsys, "support-desk", looser, "--format", "json", "--output", str(written))
    assert (code, out) == (OK, "")
    told = json.loads(written.read_text("utf-8"))
    assert [one["direction"] for one in told["differences"]] == ["looser", "stricter"]
    assert told["differences"][0]["cells"] == 2
    _, out, _ = call(capsys, "support-desk", looser, "--format", "markdown")
    assert out.splitlines()[0] == "**support-desk -> looser: 1 looser, 0 may be looser, 1 stricter, 0 changed**"
    assert out.count("\n| looser |") == 1


def test_a_policy_that_cannot_be_used_is_not_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("authguard: 1\nname: half\nextends: standard\n", "utf-8")
    code, out, err = call(capsys, "support-desk", str(tmp_path))
    assert (code, out) == (INVALID, "")
    assert "no issuer is declared" in err
    assert err.startswith(f"not valid: {tmp_path}/policy.yaml: ")


def test_two_versions_of_a_policy_are_named_by_their_files_and_periods_are_readable(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = POLICY
    assert source.count("500 EUR, per: call") == source.count("max_age: 5m") == 1
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(source, "utf-8")
    new.write_text(
        source.replace("500 EUR, per: call", "900 EUR, per: call").replace("max_age: 5m", "max_age: 10m"), "utf-8"
    )
    code, out, _ = call(capsys, str(old), str(new))
    assert code == OK
    assert out.startswith(f"{old} -> {new}: 2 looser")
    assert "the limit in EUR per call was 500, becomes 900" in out
    assert "`max_age` was 5m, becomes 10m" in out

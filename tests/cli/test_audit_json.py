"""Every `audit` command has `--json`: one object, an array or JSON Lines, with stable keys and ISO times."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from authguard.cli import main
from authguard.cli.command_table import COMMANDS
from authguard.cli.output import INVALID, UNVERIFIED
from tests.cli.calls import CALLS, EXIT_CODES, arguments

if TYPE_CHECKING:
    from tests.cli.operated_app import OperatedApp

#: words of a command -> keys of its object, or of each object of its array; other commands have tests of their own
KEYS: Final = {
    "audit timeline": "at id kind subject session transaction operation outcome reason decision words void",
    "audit stats": "since until void not_records records outcomes operations rules transitions rates reasons stays",
    "audit replay": "decisions transitions same_policy differences moved_otherwise undetermined",
    "audit verify": ("verdict log signed findings chains records outcomes repairs first last policies promises note"),
    "audit prove": "proof verdict id record line_text line lines origin signed_at key note",
    "audit check-proof": "verdict id record line_text line lines origin signed_at key note",
    "audit erase": "verdict records still_attributable",
    "audit maintain": "verdict chains",
    "audit keys show": "key name signs file",
    "audit keys generate": "key name signs file",
    "audit keys rotate": "key name signs file",
}
CHAIN_KEYS: Final = (
    "path ok lines head files anchored_lines signed_lines newest_checkpoint longest_gap_s retired_lines retired_since"
    " retired_until unfinished_bytes marks"
)
#: a member that holds a time -> it is ISO 8601 in UTC with milliseconds
TIMES: Final = ("at", "since", "until", "first", "last", "signed_at", "newest_checkpoint")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def run(capsys: pytest.CaptureFixture[str], words: list[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(words)
    return int(end.value.code or 0), capsys.readouterr().out


def without_output(words: list[str]) -> list[str]:
    """Return the words of a call without `--output FILE`."""
    place = words.index("--output") if "--output" in words else len(words)
    return words[:place] + words[place + 2 :]


def check_times(found: Any) -> None:
    """Check every time in a document."""
    if isinstance(found, list):
        for one in found:
            check_times(one)
    elif isinstance(found, dict):
        for name, value in found.items():
            assert name not in TIMES or value is None or _ISO.fullmatch(str(value)), (name, value)
            check_times(value)


@pytest.mark.parametrize("words", [one.words for one in COMMANDS if one.group.startswith("audit")])
def test_json_has_stable_keys_and_iso_times(capsys: pytest.CaptureFixture[str], made: OperatedApp, words: str) -> None:
    call = without_output(arguments(words, made, ""))
    if words == "audit accept":
        assert "--json" in call_help(capsys, words)
        return
    code, out = run(capsys, [*call, "--json"])
    assert code == EXIT_CODES.get(words, 0)
    if words in {"audit tail", "audit export"}:
        found = [json.loads(line) for line in out.splitlines()]
    else:
        found = json.loads(out)
    assert isinstance(found, list | dict)
    if words in KEYS:
        for one in found if isinstance(found, list) else [found]:
            assert set(one) == set(KEYS[words].split())
        check_times(found)
    if words == "audit verify":
        assert all(set(chain) == set(CHAIN_KEYS.split()) for chain in found["chains"])
        assert [one["name"] for one in found["promises"]] == ["policy", "checkpoint", "retention"]
        assert found["verdict"] == "verified"


def call_help(capsys: pytest.CaptureFixture[str], words: str) -> str:
    return run(capsys, [*words.split(), "--help"])[1]


def test_a_proof_as_json_is_verified_again(capsys: pytest.CaptureFixture[str], made: OperatedApp) -> None:
    record = made.refused.rpartition(":")[2]
    for typed in (made.refused, record):
        code, out = run(capsys, ["audit", "prove", typed, "--json"])
        assert code == 0
        assert json.loads(out)["id"] == record
    proof = made.folder / "one.proof"
    proof.write_text(out, "utf-8")
    code, out = run(capsys, ["audit", "check-proof", str(proof), "--json"])
    assert code == 0
    assert json.loads(out)["verdict"] == "verified"
    assert run(capsys, ["audit", "prove", "zz"])[0] == 1


def test_verify_says_which_policy_is_in_force(capsys: pytest.CaptureFixture[str], made: OperatedApp) -> None:
    other = made.folder / "other.yaml"
    other.write_text((made.folder / "policy.yaml").read_text("utf-8").replace("name: desk", "name: other"), "utf-8")
    code, out = run(capsys, ["audit", "verify", "--policy", str(other)])
    assert code == 0
    assert out.startswith("verified: ")
    assert "NOT KEPT: `other` (" in out
    assert run(capsys, ["audit", "verify", "--policy", str(other), "--strict"])[0] == 4
    assert run(capsys, ["audit", "verify", "--strict"])[0] == 0


def test_every_audit_command_is_called() -> None:
    assert {one.words for one in COMMANDS if one.group.startswith("audit")} <= set(CALLS)


def test_a_policy_that_is_not_valid_hides_no_finding(capsys: pytest.CaptureFixture[str], made: OperatedApp) -> None:
    (made.folder / "policy.yaml").write_text("authguard: 1\nname: desk\n", "utf-8")
    code, out = run(capsys, ["audit", "verify"])
    assert code == INVALID
    assert out.startswith("verified: ")
    log = made.folder / "var" / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"allow"', b'"deny"'))
    assert run(capsys, ["audit", "verify"])[0] == UNVERIFIED

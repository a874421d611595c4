"""The proof file beside a policy: it saves the checks for exactly what was proved, and nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard.errors import PolicyError
from authguard.policy import compiler
from authguard.policy.checks import proof_file
from authguard.policy.checks.proof_file import is_proved, proof_path, write_proof
from authguard.policy.loading.loader import load_draft
from tests.cli.deployment import group

if TYPE_CHECKING:
    from pathlib import Path

    from authguard.policy.draft import Draft

TEXT = "authguard: 1\nname: example\nextends: support-desk\n"
BROKEN = TEXT + "decisions:\n  - {when: {account: locked, risk: high}, do: allow}\n"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Write a policy that is valid."""
    path = tmp_path / "policy.yaml"
    path.write_text(TEXT, "utf-8")
    return path


def draft_of(path: Path) -> Draft:
    draft = load_draft(path).draft
    assert draft is not None
    return draft


def test_a_start_proves_nothing_that_its_proof_file_names(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = compiler.load(policy)
    write_proof(draft_of(policy), policy)
    monkeypatch.setattr(compiler, "run_checks", _refuse)
    assert compiler.load(policy) == expected
    with pytest.raises(AssertionError, match="proved again"):
        compiler.load("support-desk")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"proved":""}', b'{"proved":"0", "more":1}', b"x" * 2_000])
def test_a_damaged_proof_file_means_proving_again(policy: Path, content: bytes) -> None:
    proof_path(policy).write_bytes(content)
    assert not is_proved(draft_of(policy), policy)
    assert compiler.load(policy).name == "example"


def test_a_proof_of_another_policy_or_another_checker_does_not_count(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_proof(draft_of(policy), policy)
    assert is_proved(draft_of(policy), policy)
    policy.write_text(BROKEN, "utf-8")
    assert not is_proved(draft_of(policy), policy)
    with pytest.raises(PolicyError):
        compiler.load(policy)
    policy.write_text(TEXT, "utf-8")
    monkeypatch.setattr(proof_file, "_digest_code", lambda: "of another version")
    assert not is_proved(draft_of(policy), policy)


def test_lines_in_another_file_are_another_policy(tmp_path: Path) -> None:
    rules = "decisions:\n  - {when: {account: locked, risk: high}, do: to_a_person}\n"
    whole, base, derived = tmp_path / "policy.yaml", tmp_path / "base.yaml", tmp_path / "derived.yaml"
    whole.write_text(TEXT + rules, "utf-8")
    base.write_text(TEXT + rules, "utf-8")
    derived.write_text("authguard: 1\nname: example\nextends: ./base.yaml\n", "utf-8")
    write_proof(draft_of(whole), whole)
    proof_path(whole).rename(proof_path(derived))
    assert draft_of(whole).digest == draft_of(derived).digest
    assert not is_proved(draft_of(derived), derived)


def test_a_proof_that_others_may_write_does_not_count(policy: Path, tmp_path: Path) -> None:
    path = write_proof(draft_of(policy), policy)
    for mode in (0o664, 0o646):
        path.chmod(mode)
        assert not is_proved(draft_of(policy), policy)
    path.unlink()
    os.mkfifo(path)
    assert not is_proved(draft_of(policy), policy)
    path.unlink()
    path.mkdir()
    assert not is_proved(draft_of(policy), policy)
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_only_the_option_writes_a_proof_and_only_of_a_valid_policy(policy: Path) -> None:
    run = CliRunner().invoke
    assert run(group("policy"), ["check", str(policy)]).exit_code == 0
    assert not proof_path(policy).exists()
    assert run(group("policy"), ["check", str(policy), "--write-proof"]).exit_code == 0
    assert is_proved(draft_of(policy), policy)
    proof_path(policy).unlink()
    policy.write_text(BROKEN, "utf-8")
    assert run(group("policy"), ["check", str(policy), "--write-proof"]).exit_code == 3
    assert not proof_path(policy).exists()


def _refuse(_: object) -> tuple[()]:
    raise AssertionError("proved again")

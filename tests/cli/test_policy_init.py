"""Tests of `authguard policy init`: the result is valid for all answers, and existing files are kept."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

import pytest

from authguard.cli import main
from authguard.cli.output import FAILED, OK, USAGE
from authguard.core.agents import Agent
from authguard.core.approvers import Approvers
from authguard.policy.compiler import load
from authguard.policy.loading import locator

if TYPE_CHECKING:
    from pathlib import Path

WRITTEN = ["README.md", "authguard.schema.json", "policy.yaml", "scenarios", "scenarios.schema.json"]


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, " ".join(err.replace("│", "").split())


@pytest.mark.parametrize(
    ("accounts", "level", "payments", "agent"),
    list(
        itertools.product(
            ("none", "account status"), ("aal1", "aal2", "aal3"), ("--payments", "--no-payments"), ("", "yes: #'bot'")
        )
    ),
)
def test_whatever_is_answered_it_passes_the_checks_and_its_scenarios_take_all_that_is_its_own(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, *, accounts: str, level: str, payments: str, agent: str
) -> None:
    folder = str(tmp_path / "Our Agent")
    given = ["--accounts", accounts, "--level", level, payments, "--agent", agent, "--yes"]
    given += ["--approver", "lead"] if payments == "--payments" else []
    assert call(capsys, "init", folder, *given)[0] == OK
    code, out, _ = call(capsys, "check", folder)
    assert code == OK, out
    code, out, err = call(capsys, "test", folder, "--fail-under", "100")
    assert code == OK, out + err
    policy = load(f"{folder}/policy.yaml")
    assert policy.name == "our-agent"
    assert {operation.name for operation in policy.operations} == {
        *("health", "chat", "profile"),
        *(["pay"] if payments == "--payments" else []),
    }
    assert policy.agents == (frozenset({Agent(next(iter(policy.issuers)), agent)}) if agent else frozenset())
    assert [source.claim for source in policy.accounts] == ([] if accounts == "none" else [accounts])


@pytest.mark.parametrize("name", sorted(locator.shipped_policies()))
def test_it_begins_from_any_policy_that_ships(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "mine"
    code, _, err = call(
        capsys, "init", str(folder), "--from", name, "--yes", "--issuer", "https://idp.test", "--audience", "us"
    )
    assert code == OK, err
    assert sorted(path.name for path in folder.iterdir()) == WRITTEN
    assert call(capsys, "check", str(folder))[0] == OK
    code, out, _ = call(capsys, "test", str(folder), "--fail-under", "100")
    assert code == OK, out
    policy = load(folder / "policy.yaml")
    assert {issuer.audience for issuer in policy.issuers.values()} == {("us",)}
    assert set(policy.issuers) == {"https://idp.test"}
    for path in (folder / "scenarios").iterdir():
        assert "../../" not in path.read_text("utf-8")


def test_the_readme_tells_what_is_there_and_shows_a_session(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert call(capsys, "init", str(tmp_path / "new"), "--yes", "--name", "a-desk")[0] == OK
    text = (tmp_path / "new" / "README.md").read_text("utf-8")
    assert text.startswith("# The policy a-desk\n")
    assert "- `scenarios/first.yaml`" in text
    assert "```mermaid\nstateDiagram-v2\n    accTitle: machine session of a-desk\n" in text
    monkeypatch.chdir(tmp_path / "new")
    lines = [line for line in text.splitlines() if line.startswith("authguard policy ")]
    assert len(lines) == 5
    for line in lines:
        assert call(capsys, *line.split()[2:])[0] == OK, line
    assert (tmp_path / "new" / "policy.html").is_file()


@pytest.mark.parametrize("there", ["policy.yaml", "README.md", "scenarios/own.yaml"])
def test_what_is_there_is_never_touched(capsys: pytest.CaptureFixture[str], tmp_path: Path, there: str) -> None:
    file = tmp_path / there
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine", "utf-8")
    code, _, err = call(capsys, "init", str(tmp_path), "--yes")
    assert code == USAGE
    assert "already exists; nothing was written" in err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [file]
    assert file.read_text("utf-8") == "mine"


def test_a_link_that_leads_nowhere_counts_as_being_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").symlink_to(tmp_path / "elsewhere")
    assert call(capsys, "init", str(tmp_path), "--yes")[0] == USAGE
    assert not (tmp_path / "elsewhere").exists()


def test_other_files_may_be_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("", "utf-8")
    assert call(capsys, "init", str(tmp_path), "--yes", "--name", "x")[0] == OK


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "No Such\nname: evil"),
        ("--issuer", "not an address"),
        ("--issuer", "http://elsewhere.example"),
        ("--audience", "a\x00b"),
        ("--accounts", ""),
    ],
)
def test_an_answer_that_cannot_stand_is_told_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str, value: str
) -> None:
    code, _, err = call(capsys, "init", str(tmp_path / "new"), "--yes", option, value)
    assert code == USAGE
    assert err.startswith(f"{option}: ")
    assert err.endswith("nothing was written; correct the options named above")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("role", ["lead, count: 2", "lead}} #", "Shop 'Supervisor'", "CN=Leads,DC=corp"])
def test_a_role_is_written_as_one_text(capsys: pytest.CaptureFixture[str], tmp_path: Path, role: str) -> None:
    assert call(capsys, "init", str(tmp_path / "new"), "--yes", "--approver", role)[0] == OK
    fallback = load(tmp_path / "new" / "policy.yaml").fallbacks["await_approval"]
    assert fallback.approvers == (Approvers(role),)


def test_options_that_do_not_exist_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = call(capsys, "init", str(tmp_path), "--yes", "--from", "support-dsk")
    assert (code, "did you mean `support-desk`?" in err) == (USAGE, True)
    code, _, err = call(capsys, "init", str(tmp_path), "--yes", "--level", "aal4")
    assert code == USAGE
    (tmp_path / "file").write_text("", "utf-8")
    code, _, err = call(capsys, "init", str(tmp_path / "file"), "--yes")
    assert (code, "is not a folder" in err) == (USAGE, True)
    code, _, err = call(capsys, "init", str(tmp_path / "file" / "below"), "--yes")
    assert (code, "cannot be written" in err) == (FAILED, True)


def test_all_wrong_options_are_told_together(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    wrong = {
        "--name": "A b",
        "--provider": "oktaa",
        "--issuer": "http://idp.example",
        "--audience": "a\x00b",
        "--keys": "nowhere.json",
        "--accounts": "/~2",
        "--level": "aal4",
        "--approver": "",
        "--agent": "\udcff",
        "--from": "standart",
    }
    given = [word for pair in wrong.items() for word in pair]
    with pytest.raises(SystemExit) as end:
        main(("policy", "init", str(tmp_path / "new"), "--yes", *given))
    assert end.value.code == USAGE
    told = capsys.readouterr().err.splitlines()
    assert {line.split(":")[0] for line in told[:-1]} == set(wrong)
    assert len(told) == len(wrong) + 1


@pytest.mark.parametrize(
    ("given", "option"),
    [
        (("--from", "support-desk", "--level", "aal1"), "--level"),
        (("--from", "support-desk", "--no-payments"), "--payments"),
        (("--no-payments", "--approver", "lead"), "--approver"),
    ],
)
def test_an_option_without_effect_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, given: tuple[str, ...], option: str
) -> None:
    code, _, err = call(capsys, "init", str(tmp_path / "new"), "--yes", *given)
    assert (code, err.startswith(f"{option}: it has no effect with")) == (USAGE, True)
    assert not (tmp_path / "new").exists()


def test_the_summary_is_a_verdict_and_the_commands_to_type(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "my shop"
    code, out, _ = call(capsys, "init", str(folder), "--yes", "--provider", "okta", "--issuer", "https://login.test")
    lines = out.splitlines()
    assert (code, lines[0]) == (OK, "created the policy my-shop, which passes its checks")
    assert [line for line in lines if line.startswith("next: ")] == [
        f"next: authguard policy check '{folder}'",
        f"next: authguard policy test '{folder}'",
        "next: authguard issuer check https://login.test --audience my-shop",
    ]
    assert f"  wrote: {folder}/scenarios/first.yaml" in lines
    assert "example" not in out
    assert "the issuer is an example" in call(capsys, "init", str(tmp_path / "x"), "--yes")[1]


def test_the_json_has_stable_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    _, out, _ = call(capsys, "init", str(tmp_path / "new"), "--yes", "--json")
    written = json.loads(out)
    assert list(written) == [
        "name",
        "folder",
        "files",
        "extends",
        "provider",
        "issuer",
        "audience",
        "operations",
        "next",
        "skipped",
    ]
    assert sorted(written["files"]) == sorted(str(path) for path in (tmp_path / "new").rglob("*") if path.is_file())


OPENAPI = """\
openapi: 3.1.0
components: {securitySchemes: {oauth: {type: oauth2}}}
paths:
  /healthz: {get: {}}
  /orders/{order-id}: {get: {operationId: getOrder, security: [{oauth: [orders]}]}, delete: {}}
  /payments: {post: {}}
  /admin/users: {get: {}}
  /files/{name}.pdf: {get: {}}
"""
APP = """\
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

async def answer(request): ...

app = Starlette(routes=[
    Route("/healthz", answer),
    Route("/orders/{order:int}", answer, methods=["GET", "DELETE"]),
    WebSocketRoute("/live", answer),
    Mount("/static", app=lambda scope, receive, send: None),
])
"""


@pytest.mark.parametrize("provider", ["generic", "okta", "cognito", "kubernetes", "firebase"])
@pytest.mark.parametrize(
    "more", [(), ("--channels", "app, web", "--verifier", "https://verify.test/v1", "--staff", "roles")]
)
def test_operations_are_proposed_for_a_document_and_what_is_written_passes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, provider: str, more: tuple[str, ...]
) -> None:
    (tmp_path / "api.yaml").write_text(OPENAPI, "utf-8")
    folder = str(tmp_path / "shop")
    given = ("--provider", provider, "--openapi", str(tmp_path / "api.yaml"), "--approvals", "2", *more)
    code, out, err = call(capsys, "init", folder, "--yes", "--json", *given)
    assert (code, err) == (OK, "")
    written = json.loads(out)
    assert {one["name"]: f"{one['risk']} {one['effect']}" for one in written["operations"]} == {
        "get_healthz": "public read",
        "post_payments": "high write",
        "get_admin_users": "high read",
        "get_order": "sensitive read",
        "delete_orders_order_id": "high write",
    }
    assert all(one["why"] for one in written["operations"])
    assert written["skipped"] == ["GET /files/{name}.pdf: a policy has no such template"]
    assert call(capsys, "check", folder)[0] == OK
    assert call(capsys, "test", folder)[0] == OK
    policy = load(f"{folder}/policy.yaml")
    assert [one.name for one in policy.operations] == [one["name"] for one in written["operations"]]


def test_operations_are_proposed_for_the_routes_of_an_app(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "proposed_shop.py").write_text(APP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    code, out, _ = call(capsys, "init", "shop", "--yes", "--app", "proposed_shop:app")
    assert code == OK
    assert "delete_orders_order (high write), DELETE /orders/{order}: write: DELETE may change something" in out
    assert "websocket_live (sensitive write), websocket /live" in out
    assert "no operation was proposed for /static/{path:path}" in out
    assert out.index("no operation was proposed") < out.index("next:")
    assert call(capsys, "check", "shop", "--app", "proposed_shop:app", "--allow-unnamed")[0] == OK
    assert call(capsys, "test", "shop")[0] == OK


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--openapi", "gone.yaml"), "`gone.yaml` cannot be read: No such file"),
        (("--app", "nothing"), "is not `module:attribute`"),
        (("--app", "no_such_module:app"), "cannot be imported"),
        (("--approvals", "0"), "--approvals: `0` is no number of persons; type a number from 1 to 9"),
        (("--channels", "The Web"), "--channels: "),
        (("--verifier", "verify.test"), "--verifier: "),
        (("--no-payments", "--approvals", "2"), "--approvals: it has no effect with --no-payments"),
        (("--from", "support-desk", "--staff", "roles"), "--staff: it has no effect with `--from support-desk`"),
    ],
)
def test_a_wrong_source_or_answer_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: tuple[str, ...], error: str
) -> None:
    code, out, err = call(capsys, "init", str(tmp_path / "new"), "--yes", *options)
    assert (code, out) in {(USAGE, ""), (FAILED, "")}
    assert error in err
    assert not (tmp_path / "new").exists()


def test_a_document_without_endpoints_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "api.json").write_text('{"openapi": "3.1.0", "paths": {}}', "utf-8")
    code, _, err = call(capsys, "init", str(tmp_path / "new"), "--yes", "--openapi", str(tmp_path / "api.json"))
    assert code == USAGE
    assert "no endpoint was found" in err
    assert not (tmp_path / "new").exists()


def test_operations_of_two_sources_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "api.yaml").write_text(OPENAPI, "utf-8")
    given = ("--openapi", str(tmp_path / "api.yaml"), "--payments")
    code, _, err = call(capsys, "init", str(tmp_path / "new"), "--yes", *given)
    assert code == USAGE
    assert "--payments: it has no effect with --openapi" in err

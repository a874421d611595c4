"""Tests of `authguard policy check`: all output formats, and the check of apps."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from jsonschema import Draft4Validator

from authguard import policy
from authguard.cli import main
from authguard.cli.output import FAILED, INVALID, OK, USAGE
from authguard.policy.catalogue import MEANINGS
from authguard.policy.checks.checker import CheckResult
from authguard.policy.problem import Place, Problem
from authguard.policy.render.sarif import as_sarif

DATA = Path(__file__).parents[1] / "data"
BAD = "authguard: 1\nname: bad\nextends: support-desk\nbudgt: {request: 2s}\nagents: concierge\n"
#: keys are promised: a change here breaks somebody's program
KEYS = {"code", "severity", "file", "line", "column", "message", "advice", "box", "cell", "path"}
TELLING = Problem(
    code="table-gap",
    place=Place("a b/ö,x:y%.yaml", 3, 5),
    message="50% of\r\n: commas, too",
    advice="add one",
    box="risk `high`",
    cell=(("service", "live"), ("risk", "high")),
    path=("session.idled", "account.locked"),
)
APP = """\
from authguard import AuthGuard
from starlette.applications import Starlette
from starlette.routing import Mount, Route, WebSocketRoute

async def answer(request): ...
async def live(socket): ...

def files(scope, receive, send): ...

routes = [
    Route("/healthz", answer), Route("/export", answer), Route("/orders/{order_id:int}", answer),
    WebSocketRoute("/live", live), Mount("/static", files),
]
bare = Starlette(routes=routes)
guarded = AuthGuard(bare, policy="support-desk")
added = Starlette(routes=routes)
added.add_middleware(AuthGuard, policy="support-desk")
partly = Starlette(routes=[Route("/admin", answer), Mount("/shop", AuthGuard(bare, policy="support-desk"))])
"""


SERVERS = """\
from fastapi import APIRouter, FastAPI
from fastmcp import FastMCP
from mcp.server.mcpserver import MCPServer

fast, sdk, router = FastMCP("fast"), MCPServer("sdk"), APIRouter(prefix="/v1")

@fast.tool
def balance(account: str) -> str: return account

@sdk.tool()
def refund(order: str) -> str: return order

@router.get("/orders/{order}")
async def order(order: str): ...

@router.websocket("/talk")
async def talk(socket): ...

app = FastAPI(openapi_url=None)
app.include_router(router, prefix="/api")
app.mount("/fast", fast.http_app(path="/mcp"))
app.mount("/sdk", sdk.streamable_http_app())
"""


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the console script in this process."""
    with pytest.raises(SystemExit) as end:
        main(("policy", "check", *arguments))
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


@pytest.fixture
def bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a policy with two errors into the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bad.yaml"
    path.write_text(BAD, "utf-8")
    return path


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of apps into the current folder; return its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"apps_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(APP, "utf-8")
    return name


def test_json_is_one_document_of_the_promised_shape(capsys: pytest.CaptureFixture[str], bad: Path) -> None:
    code, out, err = call(capsys, "--format", "json", "support-desk", bad.name)
    assert (code, err) == (INVALID, "")
    document = json.loads(out)
    assert (set(document), document["format"], document["usable"]) == ({"format", "usable", "policies"}, 1, False)
    good, refused = document["policies"]
    assert set(good) == {"source", "name", "digest", "usable", "proved", "problems"}
    assert (good["source"], good["name"], good["usable"]) == ("support-desk", "support-desk", True)
    assert re.fullmatch("[0-9a-f]{64}", good["digest"])
    assert good["proved"]["pairs"] == 411
    assert set(good["proved"]) == {"pairs", "cells", "rules", "invariants"}
    assert (refused["usable"], refused["proved"], refused["name"]) == (False, None, "")
    assert [set(problem) for problem in refused["problems"]] == [KEYS, KEYS]
    assert [(one["code"], one["line"], one["file"]) for one in refused["problems"]] == [
        ("unknown-key", 4, "bad.yaml"),
        ("wrong-type", 5, "bad.yaml"),
    ]
    assert refused["problems"][0]["advice"] == "did you mean `budget`?"


def test_every_part_of_a_problem_is_in_the_json() -> None:
    document = json.loads(policy.as_json([CheckResult(source="x", problems=(TELLING,))]))
    problem = document["policies"][0]["problems"][0]
    assert problem["cell"] == {"service": "live", "risk": "high"}
    assert (problem["box"], problem["path"]) == ("risk `high`", ["session.idled", "account.locked"])


@pytest.mark.parametrize("wanted", ["bad.yaml", "support-desk", "missing.yaml"])
def test_sarif_is_valid_by_the_official_schema(capsys: pytest.CaptureFixture[str], bad: Path, wanted: str) -> None:
    assert bad.exists()
    _, out, _ = call(capsys, "--format", "sarif", wanted)
    valid_sarif(out)


def test_sarif_with_everything_that_a_problem_can_carry_is_valid() -> None:
    bare = Problem(code="odd", place=Place(), message="nowhere", severity="note", path=())
    log = valid_sarif(as_sarif([CheckResult(source="x", problems=(TELLING, bare))], MEANINGS, "1.2.3"))
    run = log["runs"][0]
    told, noted = run["results"]
    assert told["message"]["text"] == TELLING.describe()
    assert told["properties"]["cell"] == {"service": "live", "risk": "high"}
    steps = told["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == ["session.idled", "account.locked"]
    location = told["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "a%20b/%C3%B6%2Cx%3Ay%25.yaml"
    assert location["region"] == {"startLine": 3, "startColumn": 5}
    assert (told["level"], noted["level"]) == ("error", "note")
    assert "region" not in noted["locations"][0]["physicalLocation"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["odd", "table-gap"]
    assert run["results"][0]["ruleIndex"] == 1


def valid_sarif(text: str) -> dict:  # type: ignore[type-arg]  # JSON
    log = json.loads(text)
    schema = json.loads((DATA / "sarif-2.1.0-rtm.5.json").read_text("utf-8"))
    assert [error.message for error in Draft4Validator(schema).iter_errors(log)] == []
    return log  # type: ignore[no-any-return]  # JSON


def test_the_same_problem_on_another_line_has_the_same_fingerprint() -> None:
    def prints(place: Place) -> str:
        problem = Problem(code="tag", place=place, message="the tag")
        log = json.loads(as_sarif([CheckResult(source="x", problems=(problem,))], MEANINGS, "1"))
        return str(log["runs"][0]["results"][0]["partialFingerprints"])

    assert prints(Place("a.yaml", 3, 1)) == prints(Place("a.yaml", 9, 1)) != prints(Place("b.yaml", 3, 1))


def test_github_gets_one_escaped_workflow_command_for_each_problem(
    capsys: pytest.CaptureFixture[str], bad: Path
) -> None:
    code, out, _ = call(capsys, "--format", "github", str(bad))
    assert code == INVALID
    assert out.splitlines() == [
        "::error file=bad.yaml,line=4,col=1,title=authguard unknown-key::unknown key `budgt`; did you mean `budget`?",
        (
            "::error file=bad.yaml,line=5,col=1,title=authguard wrong-type::`agents` must be a list, not `concierge`;"
            " begin each entry with `- `, or write `[...]`"
        ),
    ]


def test_nothing_in_a_problem_can_begin_another_workflow_command() -> None:
    (line,) = policy.as_github([CheckResult(source="x", problems=(TELLING,))])
    assert line.startswith(
        "::error file=a b/ö%2Cx%3Ay%25.yaml,line=3,col=5,title=authguard table-gap::50%25 of%0D%0A: "
    )
    assert "\n" not in line
    assert "reached by: session.idled, account.locked" in line
    bare = Problem(code="odd", place=Place(), message="nowhere", severity="note")
    assert list(policy.as_github([CheckResult(source="x", problems=(bare,))])) == [
        "::notice title=authguard odd::nowhere"
    ]


def test_a_folder_stands_for_its_policy_or_for_all_below_it(
    capsys: pytest.CaptureFixture[str], bad: Path, tmp_path: Path
) -> None:
    for name in ("one", "two/deeper"):
        (tmp_path / "all" / name).mkdir(parents=True)
        (tmp_path / "all" / name / "policy.yaml").write_bytes(bad.read_bytes())
    _, out, _ = call(capsys, "--format", "json", "all", "all/one")
    assert [one["source"] for one in json.loads(out)["policies"]] == [
        "all/one/policy.yaml",
        "all/two/deeper/policy.yaml",
        "all/one/policy.yaml",
    ]
    (tmp_path / "none").mkdir()
    code, out, _ = call(capsys, "none")
    assert code == INVALID
    assert "error[file-missing]: there is no policy in the folder `none`" in out


def test_a_code_is_explained_and_an_unknown_one_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "--explain", "duration")
    assert code == OK
    assert "budget: {request: 2}" in out
    assert "budget: {request: 2s}" in out
    code, _, err = call(capsys, "--explain", "duratoin")
    assert code == USAGE
    assert "did you mean `duration`?" in err


def test_the_program_gets_the_same_values(bad: Path) -> None:
    refused, good = policy.check(bad), policy.check("support-desk")
    assert [problem.code for problem in refused.errors] == ["unknown-key", "wrong-type"]
    assert (refused.is_usable, refused.figures, refused.draft) == (False, None, None)
    assert (good.is_usable, good.errors, good.name) == (True, (), "support-desk")
    assert good.digest == policy.load("support-desk").digest
    assert policy.check("x.yaml", text=BAD.encode()).problems[0].place == Place("x.yaml", 4, 1)


@pytest.mark.parametrize("name", ["bare", "guarded", "added"])
def test_an_app_is_walked_whether_it_is_guarded_or_not_yet(
    capsys: pytest.CaptureFixture[str], app: str, name: str
) -> None:
    code, out, _ = call(capsys, "support-desk", "--app", f"{app}:{name}", "--allow-unnamed")
    assert code == OK
    for line in (
        "GET /healthz -> health",
        "GET /export -> otherwise",
        "GET /orders/{order_id:int} -> order",
        "WEBSOCKET /live -> live",
        "GET|POST|PUT|PATCH|DELETE /static/{path:path} -> otherwise",
    ):
        assert line in out.splitlines()
    assert "note[app-unnamed]: `GET /export` is named by no operation" in out
    assert "note[app-unmatched]: operation `refund` matches no way into the app" in out


def test_routers_of_fastapi_and_the_tools_of_both_kinds_of_mcp_servers_are_found(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "servers_of_both_kinds.py").write_text(SERVERS, "utf-8")
    policy_file = tmp_path / "policy.yaml"
    policy_file.write_text(
        "authguard: 1\nname: x\nextends: support-desk\noperations:\n"
        "  - {name: tools, match: {path: '/fast/{rest:path}'}, risk: high, effect: write}\n"
        "  - {name: post, match: {path: /sdk/mcp, method: POST}, risk: high, effect: write}\n"
        "  - {name: talk, match: {websocket: '/api/v1/talk'}, risk: routine, effect: read}\n",
        "utf-8",
    )
    code, out, _ = call(capsys, "policy.yaml", "--app", "servers_of_both_kinds:app", "--allow-unnamed")
    assert code == OK
    for line in (
        "GET /api/v1/orders/{order} -> otherwise",
        "WEBSOCKET /api/v1/talk -> talk",
        "GET|POST|PUT|PATCH|DELETE /fast/mcp -> tools (tools: balance)",
        "POST /sdk/mcp -> post (tools: refund)",
        "GET|PUT|PATCH|DELETE /sdk/mcp -> otherwise (tools: refund)",
    ):
        assert line in out.splitlines()
    assert "note[app-tools]: the tools `balance` all fall under `tools`, by the path of" in out


def test_what_lies_outside_of_the_guard_is_told(capsys: pytest.CaptureFixture[str], app: str) -> None:
    code, out, _ = call(capsys, "support-desk", "--app", f"{app}:partly", "--allow-unnamed")
    assert code == OK
    assert "GET /admin -> not guarded" in out
    assert "GET /healthz -> health" in out, "the guard sees paths without its mount's prefix"
    assert "note[app-unguarded]: `GET /admin` is served outside of AuthGuard" in out


def test_what_nobody_named_fails(capsys: pytest.CaptureFixture[str], app: str) -> None:
    code, out, _ = call(capsys, "support-desk", "--app", f"{app}:bare", "--format", "json")
    assert code == INVALID
    (found,) = json.loads(out)["policies"]
    assert {problem["code"] for problem in found["problems"] if problem["severity"] == "error"} == {"app-unnamed"}
    assert found["app"]["name"] == f"{app}:bare"
    keys = {"kind", "path", "methods", "operations", "named", "guarded", "tools", "host"}
    assert set(found["app"]["endpoints"][0]) == keys
    assert {one["path"]: one["named"] for one in found["app"]["endpoints"]} == {
        "/healthz": True,
        "/export": False,
        "/orders/{order_id:int}": True,
        "/live": True,
        "/static/{path:path}": False,
    }


REACHED = """
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route

from authguard import AuthGuard


async def answer(request): return PlainTextResponse("hello")

async def legacy(scope, receive, send): ...

router = APIRouter()
router.add_api_route("/chat", answer, methods=["POST"])
router.add_api_route("/healthz", answer, methods=["GET", "DELETE"])
moved, rooted, cors = FastAPI(openapi_url=None), FastAPI(openapi_url=None), FastAPI(openapi_url=None)
moved.include_router(router, prefix="/v1")
rooted.add_api_route("/chat", answer, methods=["POST"])
rooted.root_path = "/api"
cors.add_middleware(CORSMiddleware, allow_origins=["*"])
wrapped = CORSMiddleware(Starlette(), allow_origins=["*"])
outside = FastAPI(openapi_url=None)
outside.add_middleware(AuthGuard, policy="support-desk")
outside.add_middleware(CORSMiddleware, allow_origins=["*"])
admin = Starlette(routes=[Route("/chat", answer, methods=["POST"])])
hosted = Starlette(routes=[Host("admin.example", admin), Mount("/old", legacy)])
methods = Starlette(routes=[Route("/healthz", answer, methods=["GET", "DELETE"])])
"""


@pytest.fixture
def reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module of apps with prefixes, hosts and mounts; return its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = re.sub(r"\W", "_", f"reached_{tmp_path.name}")
    (tmp_path / f"{name}.py").write_text(REACHED, "utf-8")
    return name


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("moved", INVALID, "error[app-unnamed]: `POST /v1/chat` is named by no operation, so it is refused with 404"),
        ("methods", INVALID, "error[app-unnamed]: `DELETE /healthz` is named by no operation"),
        ("rooted", INVALID, "error[app-prefix]: the app takes `/api` off before it routes"),
        ("rooted", INVALID, "prefixes: /api"),
        ("cors", INVALID, "error[app-cors]: CORS middleware stands inside of the guard, at `/`"),
        ("wrapped", INVALID, "error[app-cors]: CORS middleware stands inside of the guard, at `/`"),
        ("outside", OK, "each of 411"),
        ("hosted", INVALID, "error[app-unnamed]: `POST admin.example/chat` is named by no operation"),
        ("hosted", INVALID, "hosts: ['admin.example']"),
        ("hosted", INVALID, "hosts: admin.example"),
        ("hosted", INVALID, "mounted: builtins.function at /old"),
        ("hosted", INVALID, "methods: POST"),
    ],
)
def test_how_an_app_is_reached_is_listed_and_held_against_the_policy(
    capsys: pytest.CaptureFixture[str], reached: str, name: str, code: int, said: str
) -> None:
    got, out, _ = call(capsys, "support-desk", "--app", f"{reached}:{name}")
    assert (got, said in out) == (code, True), out


def test_a_policy_that_names_prefix_and_host_is_met(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, reached: str
) -> None:
    (tmp_path / "policy.yaml").write_text(
        "authguard: 1\nname: x\nextends: support-desk\nsettings: {root_path: /api}\noperations:\n"
        "  - {name: chat, match: {path: /chat, method: POST}, hosts: ['*.example'], risk: routine, effect: read}\n"
        "  - {name: old, match: {path: '/old/{rest:path}'}, risk: routine, effect: read}\n",
        "utf-8",
    )
    for name in ("rooted", "hosted"):
        code, out, _ = call(capsys, "policy.yaml", "--app", f"{reached}:{name}")
        assert code == OK, out


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nowhere", "is not `module:attribute`"),
        ("no_such_module_anywhere:app", "cannot be imported: ModuleNotFoundError"),
        ("json:app", "cannot be imported: AttributeError"),
    ],
)
def test_an_app_that_cannot_be_imported_is_told_without_a_traceback(
    capsys: pytest.CaptureFixture[str], named: str, said: str
) -> None:
    code, _, err = call(capsys, "support-desk", "--app", named)
    assert code == FAILED
    assert said in err
    assert "Traceback" not in err


def test_the_polarity_of_each_flag_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """\
authguard: 1
name: example
extends: support-desk
flags:
  hurried: {by: subject, expires: 24h, set_by: [{app: report}]}
  read: {by: session, expires: 1h, set_by: [{operation: order, event: committed}]}
decisions:
  - {when: {credential: good, session: active, risk: high, hurried: set}, do: later}
  - {when: {credential: good, session: active, risk: high, read: clear}, do: later}
fallbacks:
  later: {kind: retry, after: 1h}
"""
    (tmp_path / "policy.yaml").write_text(text, "utf-8")
    for more in ((), ("--format", "json")):
        with pytest.raises(SystemExit) as end:
            main(["policy", "check", str(tmp_path / "policy.yaml"), *more])
        assert (end.value.code or OK) == OK
    out = capsys.readouterr().out
    assert "\nflag `hurried` restricts\nflag `read` permits\n" in out
    document = json.loads(out[out.index("{\n") :])
    assert document["policies"][0]["flags"] == {"hurried": "restricts", "read": "permits"}

"""The support desk: the agent says and reports what its README promises, and the demo shows every family."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from authguard import AuthGuard
from authguard.asgi.endpoints import own_operations
from authguard.audit.query.index import open_index
from authguard.audit.query.replay import replay
from authguard.policy.compiler import load
from tests.support.command_server import command_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from authguard.testing import IdentityProvider

ROOT = Path(__file__).resolve().parents[2]
DESK = ROOT / "examples" / "support_desk"
FAMILIES = (
    "the issuer's keys cannot be reached",
    "no customer has signed in",
    "signed in",
    "the token runs out in mid-talk",
    "away for too long",
    "forged tokens that name a customer",
    "signed out",
    "the proof of identity passes",
    "the proof of identity is ambiguous",
    "the proof of identity fails, and attempts run out",
    "the verification service is down",
    "accounts that are not in order",
    "a refund needs a strong and fresh sign-in, and runs once",
    "the same refund, many times at once",
    "a refund over the limit",
    "a dependency is down",
    "streams",
    "a route without an operation in the policy",
    "an agent acts for the customer",
    "nonsense",
    "rolled back by an operator, and released",
    "the people's desk",
    "the log",
)


@pytest.fixture(scope="module")
def policy(authguard_idp: IdentityProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The policy of the desk, beside an identity provider and a back office that serve all of its tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DESK)
        world = importlib.import_module("world")
        for path in DESK.glob("*.py"):
            patch.delitem(sys.modules, path.stem, raising=False)
    output = tmp_path_factory.mktemp("records") / "records.txt"
    with world.Server("records:app", output) as records:
        text = (DESK / "policy.yaml").read_text("utf-8").replace("http://127.0.0.1:9000", authguard_idp.issuer)
        yield text.replace("http://127.0.0.1:9001", records.address)


@pytest.fixture
def client(
    module: Callable[[str], Any], policy: str, authguard_fresh_idp: IdentityProvider, tmp_path: Path
) -> Iterator[TestClient]:
    """The guarded desk in this process."""
    (tmp_path / "policy.yaml").write_text(policy, "utf-8")
    guarded = AuthGuard(module("app").desk, policy=tmp_path / "policy.yaml", allowed_modules=("outbox",))
    token = authguard_fresh_idp.sign_in(
        audience="support-agent", acr="aal2", scope="chat orders:read refunds:write", account_status="ok"
    )
    with TestClient(guarded, headers=token.headers) as client:
        yield client


def run_demo(folder: Path) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AUTHGUARD_")}
    return subprocess.run(  # noqa: S603 - the example's own demo
        [sys.executable, str(DESK / "demo.py")],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_the_demo_shows_every_family_as_the_policy_says(tmp_path: Path) -> None:
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    progress, _, table = done.stdout.partition("The results, and what the policy requires")
    for family in FAMILIES:
        assert f"\n{family}\n" in progress
        assert family[:20] in table
    assert re.search(r"\n\d\d+ lines, 0 not as the policy says; \d+ s\n", table)
    assert "audit.jsonl: ok, " in table
    for outcome in "allow challenge deny handoff hold repeat restrict retry step_up terminate verify".split():  # noqa: SIM905 - the eleven, as one reads them
        assert re.search(rf"outcomes: .*\b[1-9]\d* {outcome}\b", table), f"no customer met `{outcome}`"
    (log,) = tmp_path.glob("var/demo-*/audit.jsonl")
    with open_index(log) as index:
        found = replay(index, load(log.with_name("policy.yaml")), own_operations("/.authguard"))
    assert found.same_policy
    assert found.decisions > 50
    assert (found.differences, found.changed_transitions, found.undetermined) == ((), {}, ())


def test_the_readme_holds_what_it_says_by_hand(
    module: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("curl") or not shutil.which("bash"):
        pytest.skip("the README is for somebody who has curl and bash")
    blocks = re.findall(r"```bash\n(.*?)```", (DESK / "README.md").read_text("utf-8"), re.DOTALL)
    (first,) = (index for index, block in enumerate(blocks) if "Hello" in block and "TOKEN" not in block)
    script = "\n".join(blocks[first:]).replace("export AUTHGUARD_POLICY", "UNUSED")
    monkeypatch.setenv("PATH", f"{command_folder()}{os.pathsep}{os.environ['PATH']}")
    with module("world").world(tmp_path) as made:
        script = script.replace("http://127.0.0.1:9000", made.provider.issuer)
        script = script.replace("127.0.0.1:9000", made.provider.issuer.removeprefix("http://"))
        script = script.replace("127.0.0.1:9001", made.records.address.removeprefix("http://"))
        script = script.replace("127.0.0.1:8000", made.http.base_url.netloc.decode())
        done = subprocess.run(  # noqa: S603 - the example's own words
            ["/usr/bin/env", "bash", "-eu", "-o", "pipefail", "-c", script],
            env=os.environ | made.settings,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    statuses = [int(status) for status in re.findall(r"HTTP/1.1 (\d+) ", done.stdout)]
    assert statuses == [401, 200, 403, 200, 200, 200, 200, 200, 202, 200, 403, 403, 403]
    assert "idempotency-replayed: true" in done.stdout
    assert "rolled_back since" in done.stdout
    assert "recovering since" in done.stdout
    assert "audit.jsonl: ok" in done.stdout


def test_the_demo_ends_what_it_started_when_it_is_told_to_stop(tmp_path: Path) -> None:
    with subprocess.Popen(  # noqa: S603 - the example's own demo
        [sys.executable, "-u", str(DESK / "demo.py")], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            if line.startswith("the issuer's keys"):
                break
        demo.terminate()
        assert demo.wait(300) == 128 + 15
    (output,) = tmp_path.glob("var/demo-*/desk.txt")
    assert "Finished server process" in output.read_text("utf-8")


@pytest.mark.parametrize(
    ("message", "method", "answers"),
    [
        (
            "my mother's maiden name is okafor, my first pet was REX",
            "default",
            {"quiz": {"maiden_name": "okafor", "first_pet": "REX"}},
        ),
        ("My first pet was Rex", "default", {"quiz": {"first_pet": "Rex"}}),
        (f"my first pet was {'x' * 600}", "default", {"quiz": {"first_pet": "x" * 64}}),
        ("Please send me a code", "alternate", {}),
        ("The code is 123456", "alternate", {"code": {"answer": "123456"}}),
        ("The code is 1234567", "", {}),
        ("Hello", "", {}),
    ],
)
def test_the_agent_takes_what_customers_say_for_proof_and_judges_none_of_it(
    module: Callable[[str], Any], message: str, method: str, answers: dict[str, Any]
) -> None:
    turn = module("agent").answer(message, "")
    assert (turn.method, turn.answers, turn.report) == (method, answers, "")


@pytest.mark.parametrize(
    ("message", "report"),
    [
        ("where is parcel p-503", ""),
        ("I was hacked", "account.compromised"),
        ("Hello", ""),
    ],
)
def test_the_agent_reports_what_it_learned(module: Callable[[str], Any], message: str, report: str) -> None:
    assert module("agent").answer(message, "").report == report


def test_the_agent_tells_what_may_be_done(client: TestClient) -> None:
    answer = client.post("/chat", json={"message": "What can you do?"}).json()
    assert "This customer may now use: health, chat, chat stream, live, order, refund." in answer["reply"]
    assert answer["turn"] == 1
    assert client.post("/chat", json={"message": "And now?"}).json()["turn"] == 2


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b'{"message": 7}', b'{"message": ""}', b"[" * 9_000, b'{"message": "\xff"}']
)
@pytest.mark.parametrize("path", ["/chat", "/chat/stream"])
def test_a_malformed_message_is_refused_and_is_no_error_of_ours(client: TestClient, path: str, body: bytes) -> None:
    assert client.post(path, content=body).status_code == 400


def test_a_message_without_end_is_not_read_to_its_end(client: TestClient) -> None:
    assert client.post("/chat", content=b"x" * 100_000).status_code == 413


def test_an_order_that_is_not_theirs_is_not_found_and_nothing_is_paid_for_it(client: TestClient) -> None:
    assert client.get("/orders/1002").json() == {"order": "1002", "item": "a camera"}
    assert client.get("/orders/7").status_code == 404
    refund = {"amount": 12.5, "currency": "EUR"}
    assert client.post("/orders/7/refund", json=refund, headers={"idempotency-key": "a"}).status_code == 404
    paid = client.post("/orders/1002/refund", json=refund, headers={"idempotency-key": "b"})
    assert paid.json() == {"order": "1002", "refunded": "12.5 EUR", "refunds_paid": 1}


def test_a_websocket_survives_nonsense_and_ends_with_the_sign_in(client: TestClient) -> None:
    with client.websocket_connect("/live") as socket:
        socket.send_text("{")
        assert "error" in socket.receive_json()
        socket.send_bytes(b"{}")
        assert "error" in socket.receive_json()
        socket.send_json({"message": "Please sign me out"})
        assert socket.receive_json()["ended"]
        assert socket.receive()["type"] == "websocket.close"
    assert client.post("/chat", json={"message": "Still there?"}).status_code == 401


def test_the_policy_of_the_example_is_used_where_none_is_named(module: Callable[[str], Any]) -> None:
    assert module("app").app.enforcer.policy.name == "support-desk-example"

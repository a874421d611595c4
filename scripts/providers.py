"""Try every provider's tokens from the command line alone: `make providers` prints one row per preset.

For each preset: `authguard token mint` makes its tokens, `authguard policy init` writes the policy, `authguard policy
check` and `authguard token check` judge them, uvicorn serves a guarded app on loopback, HTTP requests use it, and
`authguard transactions approve` approves what waits. Exit 1 if a row differs from what the provider's documentation
allows. No live service is asked.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard.policy.loading.preset import list_presets, load_preset
from authguard.testing.shape import load_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTHGUARD: Final = str(Path(sys.executable).with_name("authguard"))
SCOPES: Final = "chat profile pay"
#: assurance level of the new policy that proves the identity
LEVEL: Final = "aal2"
#: seconds for the server to answer, and for one request
START_S: Final = 60.0
REQUEST_S: Final = 30.0
APP: Final = """\
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from authguard import AuthGuard


async def answer(request):
    return JSONResponse({"ok": True})


paths = ("/chat", "/payments")
app = AuthGuard(Starlette(routes=[Route(path, answer, methods=["POST"]) for path in paths]), policy="shop/policy.yaml")
"""
#: providers whose tokens are of machines only, and may never act as a person
MACHINES_ONLY: Final = frozenset({"kubernetes", "spiffe"})
COLUMNS: Final = (
    *("provider", "chat", "high write", "stronger sign-in", "above the limit", "approved"),
    *("ID token", "machine", "other audience", "forged"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply of the guarded app: the status and the outcome, ``allow`` if the app answered."""

    status: int
    outcome: str
    body: dict[str, Any]

    def __str__(self) -> str:
        """Return both, as a cell of the table."""
        return f"{self.status} {self.outcome}"


class Trial:
    """The commands and requests of one provider, in its own folder."""

    def __init__(self, provider: str, folder: Path) -> None:
        self.provider = provider
        self.folder = folder
        self.preset = load_preset(provider)
        self.shape = load_shape(provider)
        self.address = ""

    def command(self, *words: str, given: str = "", fails: bool = False) -> str:
        """Run `authguard` and return what it prints.

        Raises:
            RuntimeError: its exit code is not the expected one.
        """
        done = subprocess.run(
            [AUTHGUARD, *words], cwd=self.folder, input=given, capture_output=True, text=True, check=False
        )
        if bool(done.returncode) is not fails:
            raise RuntimeError(f"{self.provider}: authguard {' '.join(words)}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def mint(self, kind: str, *options: str, audience: str = "", keys: str = "trial-keys.json") -> str:
        """Return a token of the provider, or an empty text if it has no token of this kind."""
        issuer, wanted = self.preset.example["issuer"], audience or self.preset.example["audience"]
        words = ("token", "mint", "--as", self.provider, "--kind", kind, "--issuer", issuer, "--audience", wanted)
        return self.command(*words, "--scope", SCOPES, "--keys", keys, *options)

    def request(self, token: str, path: str, amount: float = 0.0, transaction: str = "") -> Reply:
        """Send a POST request with a token, and a payment if there is an amount."""
        body = json.dumps({"amount": amount, "currency": "EUR"}).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if transaction:
            headers["Authguard-Transaction"] = transaction
        request = urllib.request.Request(f"{self.address}{path}", body, headers, method="POST")  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_S) as response:  # noqa: S310 - loopback
                status, sent = response.status, response.read()
        except urllib.error.HTTPError as error:
            status, sent = error.code, error.read()
        document = json.loads(sent or b"{}")
        return Reply(status, str(document.get("outcome", "allow")), document)

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Serve the guarded app with uvicorn on a free port of the loopback interface."""
        (self.folder / "app.py").write_text(APP)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = [sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", str(port)]
        self.address = f"http://127.0.0.1:{port}"
        with subprocess.Popen([*words, "--log-level", "warning"], cwd=self.folder) as server:
            try:
                _wait_for(port, server)
                yield
            finally:
                server.terminate()


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)  # a process that starts has no event to wait for
    raise RuntimeError("uvicorn did not start")


def try_provider(trial: Trial) -> tuple[dict[str, str], list[str]]:
    """Return the row of one provider, and what differs from the expectation."""
    issuer, audience = trial.preset.example["issuer"], trial.preset.example["audience"]
    token = trial.mint("access")
    init = ("policy", "init", "shop", "--provider", trial.provider, "--issuer", issuer, "--audience", audience)
    trial.command(*init, "--keys", "trial-keys.json", "--yes")
    trial.command("policy", "check", "shop")
    trial.command("policy", "test", "shop", "--fail-under", "100")
    trial.command("token", "check", "shop", given=token)
    other = trial.mint("access", audience="https://other.example")
    forged = trial.mint("access", keys="other-keys.json")
    for refused in (other, forged):
        trial.command("token", "check", "shop", given=refused, fails=True)
    row, wrong = {"provider": trial.provider}, []

    def enter(column: str, reply: Reply | None, *expected: str) -> Reply | None:
        row[column] = "-" if reply is None else str(reply)
        if reply is not None and str(reply) not in expected:
            wrong.append(f"{trial.provider}, {column}: {reply}, expected {' or '.join(expected)}")
        return reply

    with trial.serve():
        person = trial.provider not in MACHINES_ONLY
        enter("chat", trial.request(token, "/chat"), "200 allow" if person else "403 deny")
        enter("high write", trial.request(token, "/payments", 10), *(_ASKED if person else ("403 deny",)))
        has_step_up = person and bool(trial.shape.kind("access").strong)
        strong = trial.mint("access", "--strong", "--subject", "customer-2") if has_step_up else ""
        # a level whose meaning the tenant chooses is none until the policy maps it
        reached = strong and json.loads(trial.command("token", "check", "shop", "--json", given=strong))["level"]
        proven = ("200 allow", *_PERSON) if reached == LEVEL else _ASKED
        enter("stronger sign-in", trial.request(strong, "/payments", 10) if strong else None, *proven)
        above = ("202 hold", *_PERSON) if reached == LEVEL else _ASKED
        held = enter("above the limit", trial.request(strong, "/payments", 250) if strong else None, *above)
        approved = None
        if held is not None and held.status == 202:  # noqa: PLR2004 - Accepted
            name = str(held.body["next"]["transaction"])
            limits = [word for over in held.body["next"].get("limits", ()) for word in ("--over", str(over["name"]))]
            trial.command(
                "transactions",
                "approve",
                name,
                "--by",
                "Mara",
                "--reason",
                "checked",
                *limits,
                "--policy",
                "shop/policy.yaml",
            )
            approved = trial.request(strong, "/payments", 250, name)
        enter("approved", approved, "200 allow")
        has_id_token = trial.shape.kinds.get("id", trial.shape.kind("access")) is not trial.shape.kind("access")
        id_token = trial.mint("id") if has_id_token else ""
        enter("ID token", trial.request(id_token, "/chat") if id_token else None, "401 challenge")
        enter("machine", trial.request(trial.mint("machine"), "/chat"), "403 deny", "401 challenge")
        enter("other audience", trial.request(other, "/chat"), "401 challenge")
        enter("forged", trial.request(forged, "/chat"), "401 challenge")
    return row, wrong


#: what asks for more than a plain sign-in: a stronger one, a verification, or a person
_PERSON: Final = ("200 verify", "403 handoff", "200 handoff", "503 handoff")
_ASKED: Final = ("401 step_up", *_PERSON)


def main(names: list[str]) -> int:
    """Print one row per provider; return the exit code."""
    widths = {column: max(len(column), 13) for column in COLUMNS}
    print("  ".join(f"{column:{widths[column]}}" for column in COLUMNS))
    differences: list[str] = []
    for provider in names or list_presets():
        with tempfile.TemporaryDirectory() as folder:
            row, wrong = try_provider(Trial(provider, Path(folder)))
        print("  ".join(f"{row[column]:{widths[column]}}" for column in COLUMNS), flush=True)
        differences += wrong
    for difference in differences:
        print(difference, file=sys.stderr)
    return 1 if differences else 0


if __name__ == "__main__":
    os.environ.pop("AUTHGUARD_POLICY", None)
    sys.exit(main(sys.argv[1:]))

"""Attacks by the process's own surroundings: its folder and its umask change after the guard was built."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tests.attacks.harness import COMMAND_TIMEOUT_S, Site, attack, environment, http_request, known_source, send_raw

POLICY: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - issuer: https://issuer.test
    audience: https://agent.test
    algorithms: [ES256]
    keys: {file: keys.json}
accounts: none
operations:
  - {name: chat, match: {path: /chat}, risk: routine, effect: read, scopes: [chat]}
otherwise: {risk: sensitive, effect: write}
budget: {request: 60s}
fallbacks:
  prove_identity: {kind: handoff, queue: identity}
  prove_otherwise: {kind: handoff, queue: identity}
"""

#: an app that goes to another folder between its guard's construction and opening, and at every request
WANDERING: Final = """\
import os
from authguard import AuthGuard
from authguard.testing import FakeClock

HOME = os.getcwd()

async def inner(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    os.makedirs("further", exist_ok=True)
    os.chdir("further")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

os.umask(0o022)
app = AuthGuard(inner, "policy.yaml", store="var/store.db", audit_log="var/audit.jsonl", clock=FakeClock(), environ={})
os.makedirs("elsewhere")
os.chdir("elsewhere")
"""

#: two guards in one process, each built in a folder of its own with the same relative names
TWINS: Final = """\
import asyncio, os, sys
from authguard import AuthGuard
from authguard.testing import FakeClock
from tests.attacks.harness import ask

async def inner(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})

def built(folder):
    os.makedirs(folder)
    os.chdir(folder)
    return AuthGuard(inner, POLICY, store="var/store.db", audit_log="var/audit.jsonl", anchors=["anchor.jsonl"],
        clock=FakeClock(), environ={})

async def main():
    guards = [built(os.path.join(HOME, name)) for name in ("one", "two")]
    for guard in guards:
        await guard.enforcer.open()
    for _ in range(3):
        for place, guard in (("two", guards[0]), ("one", guards[1])):
            os.chdir(os.path.join(HOME, place))
            answer = await ask(guard, "GET", "/chat", token=sys.argv[1])
            assert answer.status == 200, answer.status
    for guard in guards:
        os.chdir(HOME)
        await guard.enforcer.close()

HOME = os.getcwd()
POLICY = os.path.join(HOME, "policy.yaml")
asyncio.run(main())
"""

#: a guard in a process without a umask, in folders that it makes itself
OPEN_HANDED: Final = """\
import os
os.umask(0)
import anyio
from authguard import AuthGuard
events = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
async def app(scope, receive, send):
    raise NotImplementedError
async def receive():
    return next(events)
async def send(message):
    assert "failed" not in message["type"], message
guard = AuthGuard(app, "policy.yaml", store="made/store/guard.db", audit_log="made/log/audit.jsonl", environ={})
anyio.run(guard, {"type": "lifespan"}, receive, send)
"""


@attack(12)
def a_process_changes_its_folder(site: Site) -> None:
    """Make the app change its folder, so that its guard loses the store and writes its log somewhere else."""
    site.policy(POLICY)
    asked = http_request("GET", "/chat", token=site.token())
    with site.served(WANDERING) as port:
        statuses = [send_raw(port, asked).status for _ in range(3)]
    assert statuses == [200, 200, 200], f"answered {statuses}"
    strays = sorted(path.name for path in (site.folder / "elsewhere").rglob("*") if path.is_file())
    assert not strays, f"wrote {strays} into the folder that the app went to"
    _verify(site, "")


@attack(12)
def two_logs_of_one_relative_name(site: Site) -> None:
    """Serve two logs of the same relative name from one process, so that one's signer signs beside the other."""
    site.policy(POLICY)
    done = _python(site, TWINS, site.token())
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
    for name in ("one", "two"):
        made = sorted(path.name for path in (site.folder / name).iterdir())
        assert made == ["anchor.jsonl", "var"], f"{name} holds {made}"
        _verify(site, name)


@attack(12)
def folders_without_a_umask(site: Site) -> None:
    """Start the guard without a umask, so that everybody may replace the files in the folders that it makes."""
    site.policy(POLICY)
    done = _python(site, OPEN_HANDED)
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
    for folder in ("made", "made/store"):
        mode = (site.folder / folder).stat().st_mode & 0o777
        assert mode == 0o700, f"`{folder}` was made with mode {mode:03o}"


def _python(site: Site, source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", known_source(source), *arguments],
        cwd=site.folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )


def _verify(site: Site, name: str) -> None:
    folder = site.folder / name / "var"
    done = site.command("audit", "verify", "--log", str(folder / "audit.jsonl"), "--store", str(folder / "store.db"))
    assert done.code == 0, f"the log in `{name}` does not verify: {(done.out + done.err).strip().splitlines()[-1]}"

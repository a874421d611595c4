"""Attacks on a log whose key is gone: what nothing vouches for must never be called sound."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import Command, Site, ask, attack
from tests.attacks.log_warm import POLICY

if TYPE_CHECKING:
    from pathlib import Path

UNVERIFIED: Final = 4
FAILED: Final = 1
USAGE: Final = 2


def write_log(site: Site) -> Path:
    """Let an app write a signed log, and stop it."""
    site.policy(POLICY)
    log = site.folder / "audit.jsonl"

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def run() -> None:
        guard = site.guard(app, store=site.folder / "authguard.db")
        for name in ("alice", "bob", "carol"):
            await ask(guard, "POST", "/read", site.token(name), body=b"{}")
        await guard.enforcer.close()

    asyncio.run(run())
    return log


def rehash(lines: list[bytes]) -> bytes:
    """Chain lines anew, as anybody can."""
    head, made = "0" * 64, []
    for seq, line in enumerate(lines):
        body = line[: line.rindex(b',"v":2,"seq":')] + f',"v":2,"seq":{seq},"prev":"{head}"'.encode()
        head = sha256(body).hexdigest()
        made.append(body + f',"hash":"{head}"}}\n'.encode())
    return b"".join(made)


def rewrite(log: Path) -> None:
    """Make everything in a log have been allowed to somebody else, with fresh hashes."""
    lines = [line.replace(b'"reason"', b'"Reason"', 1) for line in log.read_bytes().splitlines(keepends=True)]
    log.write_bytes(rehash([line.replace(b'"operation":"read"', b'"operation":"chat"') for line in lines]))


def remove_key(log: Path, *, also: bool = False) -> None:
    """Delete the signing key; the checkpoints and the memory too, where asked for."""
    (log.parent / "authguard.db.signing").unlink()
    if also:
        (log.parent / "audit.checkpoints").unlink()
        for head in (log.parent / "authguard.db.heads").iterdir():
            head.unlink()
        (log.parent / "authguard.db.heads").rmdir()


def verify(site: Site, log: Path, *more: str) -> Command:
    """Verify a log by the command line."""
    return site.command("audit", "verify", "--log", str(log), "--store", str(log.parent / "authguard.db"), *more)


@attack(14)
def a_rewritten_log_without_its_key_verifies(site: Site) -> None:
    """Write the log anew with fresh hashes, and delete the signing key."""
    log = write_log(site)
    rewrite(log)
    remove_key(log)
    done = verify(site, log)
    assert done.code == UNVERIFIED, f"`verify` exits {done.code} and says {done.out.splitlines()[:1]}"


@attack(14)
def a_rewritten_log_without_key_and_checkpoints_verifies(site: Site) -> None:
    """Write the log anew with fresh hashes; delete the key, the checkpoints and the memory."""
    log = write_log(site)
    rewrite(log)
    remove_key(log, also=True)
    done = verify(site, log)
    assert done.code == UNVERIFIED, f"`verify` exits {done.code} and says {done.out.splitlines()[:1]}"


@attack(14)
def a_report_of_a_log_without_its_key_says_sound(site: Site) -> None:
    """Have an auditor's report made of a log that was written anew and whose key was deleted."""
    log = write_log(site)
    rewrite(log)
    remove_key(log, also=True)
    store = ("--store", str(log.parent / "authguard.db"))
    done = site.command("audit", "report", "--log", str(log), *store, "--output", "report.html")
    page = (site.folder / "report.html").read_text("utf-8")
    assert done.code == UNVERIFIED, f"`report` exits {done.code}"
    assert '<div class="tile good"><dt>Integrity' not in page, "the report shows a green `sound`"


@attack(14)
def a_record_is_proved_by_a_checkpoint_of_the_attackers_own(site: Site) -> None:
    """Sign a forged log with a key of one's own, and have the deployment hand out a proof of a forged record."""
    ours, theirs = Site(site.folder / "ours"), Site(site.folder / "theirs")
    log, forged = write_log(ours), write_log(theirs)
    for name in ("audit.jsonl", "audit.checkpoints"):
        (log.parent / name).write_bytes((forged.parent / name).read_bytes())
    record = json.loads(log.read_bytes().splitlines()[1])["id"]
    done = ours.command("audit", "prove", record, "--log", str(log))
    assert done.code != 0, "a proof was made by a checkpoint that the deployment's key never signed"


@attack(14)
def a_mistyped_path_is_told_as_tampering(site: Site) -> None:
    """Mistype the path: an operator who hears "tampered" for that learns to disregard it."""
    log = write_log(site)
    for name in ("audti.jsonl", "nowhere/audit.jsonl"):
        done = verify(site, log.parent / name)
        assert done.code in {FAILED, USAGE}, f"a mistyped path exits {done.code}: {done.err.splitlines()[:1]}"


@attack(14)
def the_key_beside_the_log_is_taken_for_an_auditors(site: Site) -> None:
    """Have a log verified by the key that lies beside it, and let nobody say that this vouches only against others."""
    log = write_log(site)
    done = verify(site, log)
    assert done.code == 0, done.err
    assert "pin" in done.out, "nothing says that the key beside the log vouches only against others"
    store = ("--store", str(log.parent / "authguard.db"))
    printed = site.command("audit", "keys", "show", *store)
    if printed.code == USAGE:  # an older checkout: `audit key`
        printed = site.command("audit", "key", *store)
    key = printed.out.strip()
    pinned = verify(site, log, "--key", key, "--require-signed")
    assert pinned.code == 0, pinned.err
    assert "pin" not in pinned.out


@attack(14)
def what_must_be_anchored_is_not(site: Site) -> None:
    """Take away every anchored copy: who demands anchors is told that nothing is."""
    log = write_log(site)
    done = verify(site, log, "--require-anchored")
    assert done.code == UNVERIFIED, f"`verify --require-anchored` exits {done.code}"

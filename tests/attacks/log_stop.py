"""Attacks on a log that nobody writes: what is appended or planted then must never be signed as the app's own."""

from __future__ import annotations

import asyncio
import json
import shutil
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import Site, ask, attack
from tests.attacks.log_keyless import UNVERIFIED, rehash, verify, write_log

if TYPE_CHECKING:
    from pathlib import Path

MARK: Final = b"mallory"
#: the lines of one line of a log that the chain adds
_LINKED: Final = b',"v":2,"seq":'


def forge(log: Path, count: int = 3) -> None:
    """Append lines that go on with the chain, as anybody can compute them."""
    lines = log.read_bytes().splitlines(keepends=True)
    head, seq = lines[-1][-67:-3].decode(), len(lines)
    said = {
        "kind": "act",
        "id": "f0rged",
        "at": 1.8e9,
        "policy": "ab",
        "act": "account.reinstated",
        "by": MARK.decode(),
    }
    with log.open("ab") as file:
        for number in range(seq, seq + count):
            body = json.dumps(said, separators=(",", ":"))[:-1] + f',"v":2,"seq":{number},"prev":"{head}"'
            head = sha256(body.encode()).hexdigest()
            file.write(f'{body},"hash":"{head}"}}\n'.encode())


def plant(log: Path, *, lines: int = 5) -> Path:
    """Put a second chain beside the log, as if another worker had written it."""
    second = log.with_name("audit.1.jsonl")
    ours = log.read_bytes().splitlines(keepends=True)[:lines]
    second.write_bytes(rehash([line.replace(b'"id":"', b'"id":"' + MARK, 1) for line in ours]))
    return second


def serve_again(site: Site, workers: int = 1) -> None:
    """Start the app again, as so many workers, answer one customer each, and stop."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def run() -> list[int]:
        guards = [site.guard(app, store=site.folder / "authguard.db") for _ in range(workers)]
        got = [(await ask(guard, "POST", "/read", site.token(), body=b"{}")).status for guard in guards]
        for guard in guards:
            await guard.enforcer.close()
        return got

    site.clock.advance(60)
    assert asyncio.run(run()) == [200] * workers, "the app does not start"


def in_log(site: Site) -> bool:
    """Whether the forged lines stand in a file that is read as the log."""
    files = [path for path in site.folder.glob("audit*.jsonl*") if not path.name.endswith(".index")]
    return any(MARK in path.read_bytes() for path in files if ".aside." not in path.name)


@attack(14)
def lines_behind_a_clean_stop_pass_for_the_apps(site: Site) -> None:
    """Append well-formed lines to a log whose app has stopped, and have it verified."""
    log = write_log(site)
    forge(log)
    done = verify(site, log)
    assert done.code == UNVERIFIED, f"forged lines verify: {done.out.splitlines()[1:3]}"


@attack(14)
def lines_behind_a_clean_stop_are_signed_by_the_next_start(site: Site) -> None:
    """Append well-formed lines to a log whose app has stopped, and wait for the next start to sign them."""
    log = write_log(site)
    forge(log)
    serve_again(site)
    assert not in_log(site), "the next start signed forged lines as its own"
    assert any(MARK in path.read_bytes() for path in site.folder.glob("*.aside.*")), "what was moved aside is lost"
    assert verify(site, log).code == 0
    strict = verify(site, log, "--strict")
    assert strict.code == UNVERIFIED, "a strict verification does not tell of them"
    place = strict.err.partition("audit accept ")[2].partition(" --by")[0]
    told = site.command(
        *("audit", "accept", place, "--by", "dana", "--reason", "seen, case 4711"),
        *("--policy", "policy.yaml", "--store", "authguard.db", "--log", "audit.jsonl"),
    )
    assert told.code == 0, told.err
    assert verify(site, log, "--strict").code == 0, "what a person accepted is an alarm for ever"


@attack(14)
def a_planted_second_chain_is_adopted(site: Site) -> None:
    """Put a second chain beside the log, which the next worker takes for one that a worker had left."""
    log = write_log(site)
    plant(log)
    serve_again(site, workers=2)
    assert not in_log(site), "a planted chain was adopted, and signed"
    assert verify(site, log).code == 0
    assert verify(site, log, "--strict").code == UNVERIFIED


@attack(14)
def a_copied_second_chain_is_gone_on_with(site: Site) -> None:
    """Copy the log's own chain to a second one, so that a worker goes on with what another writes."""
    log = write_log(site)
    shutil.copy(log, log.with_name("audit.1.jsonl"))
    shutil.copy(log.with_name("audit.checkpoints"), log.with_name("audit.1.checkpoints"))
    copied = log.read_bytes().splitlines()[0]
    serve_again(site, workers=2)
    assert log.with_name("audit.1.jsonl").read_bytes().splitlines()[0] != copied, "a copy was gone on with"
    assert verify(site, log).code == 0


@attack(14)
def garbage_behind_a_clean_stop_keeps_the_app_down(site: Site) -> None:
    """Append a line that is no record, so that the app cannot start."""
    log = write_log(site)
    with log.open("ab") as file:
        file.write(MARK + b"\n" + b"x" * 200_000)
    try:
        serve_again(site)
    except Exception as error:  # noqa: BLE001 - whatever it is, the app is down
        raise AssertionError(f"the app does not start: {type(error).__name__}") from None
    assert not in_log(site)
    assert verify(site, log).code == 0


@attack(14)
def a_beginning_is_played_again(site: Site) -> None:
    """Append a copy of the line with which the app began, chained anew, to have forged lines follow it."""
    log = write_log(site)
    lines = log.read_bytes().splitlines(keepends=True)
    forged = rehash([*lines, lines[0], lines[1].replace(b'"id":"', b'"id":"' + MARK, 1)])
    log.write_bytes(forged)
    done = verify(site, log)
    assert done.code == UNVERIFIED, "a beginning that was played again is taken for one"
    serve_again(site)
    assert not in_log(site)
    assert verify(site, log).code == 0


@attack(14)
def what_a_crash_left_passes_for_the_apps_own(site: Site) -> None:
    """Forge many lines behind a crash: nothing tells them from the app's own."""
    log = write_log(site)
    checkpoints = log.with_name("audit.checkpoints")
    heads = {path: path.read_bytes() for path in (checkpoints, *(site.folder / "authguard.db.heads").iterdir())}
    serve_again(site)
    for path, content in heads.items():
        path.write_bytes(content)  # as if the second app had been killed before it signed anything
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:-1]))
    forge(log, 2_000)
    site.clock.advance(1)
    serve_again(site)
    done = verify(site, log)
    assert done.code == 0, done.err
    assert "recovered: lines" in done.out, "nothing says that lines were unsigned when their writer died"
    strict = verify(site, log, "--strict")
    assert strict.code == UNVERIFIED, "thousands of lines that nobody vouched for pass a strict verification"

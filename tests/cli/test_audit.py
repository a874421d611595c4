"""Tests of `authguard audit verify` and `tail`: output and exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from authguard.cli.terminal import escape, format_record_line
from authguard.records.chain import GENESIS, format_line
from authguard.records.entries import ActEntry, DecisionEntry, TransitionEntry
from tests.audit.verify.tampering import rehash
from tests.cli.deployment import group
from tests.support.record_check import skip_validation

if TYPE_CHECKING:
    from pathlib import Path

app = group("audit")
AT = 1_800_000_000.0
DECIDED = DecisionEntry(
    id="d1",
    at=AT + 1,
    policy="ab",
    operation="pay",
    cell=("live", "normal"),
    rule="3:no",
    outcome="deny",
    fallback="no",
)


def write(path: Path, *entries: ActEntry | DecisionEntry | TransitionEntry) -> list[bytes]:
    """Write entries as a hash chain to a file."""
    lines, head = [], GENESIS
    for seq, entry in enumerate(entries):
        line, head = format_line(entry, seq, head)
        lines.append(line)
    path.write_bytes(b"".join(lines))
    return lines


def act(note: str, at: float = AT) -> ActEntry:
    return ActEntry(id="a", at=at, policy="ab", act="started", by="bank", note=note)


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of a log in the current folder, with no variable set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTHGUARD_AUDIT_LOG", raising=False)
    skip_validation(tmp_path)
    return tmp_path / "audit.jsonl"


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


# --- verify


def test_verify_tells_counts_and_what_it_cannot_know(run: CliRunner, log: Path) -> None:
    lines = write(log, act("1"), DECIDED)
    write(log.with_name("audit.1.jsonl"), act("2", AT - 60))
    done = run.invoke(app, ["verify", "--log", str(log), "--hashes-only"])
    assert done.exit_code == 0
    head = json.loads(lines[-1])["hash"]
    assert done.output.splitlines()[:2] == [
        "hashes verified: 3 lines in 2 chains, no signature",
        f"{log}: ok, 2 lines, head {head}",
    ]
    assert "records: 2 act, 1 decision" in done.output
    assert "from 2027-01-15 07:59:00.000Z to 2027-01-15 08:00:01.000Z" in done.output
    assert "outcomes: 1 deny" in done.output
    assert "no signature was verified: a truncated end" in done.output


def test_verify_names_file_line_and_what_broke_and_exits_4(run: CliRunner, log: Path) -> None:
    lines = write(log, act("1"), DECIDED, act("3"))
    log.write_bytes(b"".join(lines).replace(b'"deny"', b'"done"'))
    done = run.invoke(app, ["verify", "--log", str(log)])
    assert done.exit_code == 4
    assert f"{log}, line 2: the line was edited" in done.stderr
    assert "(1 line verified before it)" in done.stderr
    assert done.output.splitlines()[0] == "not verified: 2 findings, 1 line in 1 chain read", "the verdict comes first"
    assert "the line was edited" in done.output.splitlines()[1], "then what is wrong"
    assert "no signature" in done.stdout


@pytest.mark.parametrize(
    ("keep", "words"), [(slice(1, None), "line 1: the line does not follow"), (slice(0, 0), "the file is empty")]
)
def test_verify_tells_deleted_lines_and_an_emptied_file(run: CliRunner, log: Path, keep: slice, words: str) -> None:
    lines = write(log, act("1"), DECIDED, act("3"))
    log.write_bytes(b"".join(lines[keep]))
    done = run.invoke(app, ["verify", "--log", str(log)])
    assert done.exit_code == 4
    assert words in done.stderr


def test_verify_tells_a_torn_end_from_an_edit(run: CliRunner, log: Path) -> None:
    lines = write(log, act("1"), DECIDED)
    log.write_bytes(b"".join(lines)[:-20])
    done = run.invoke(app, ["verify", "--log", str(log)])
    assert done.exit_code == 4
    assert "line 2: the last line is incomplete: after a crash, or because it was cut" in done.stderr


def test_verify_names_a_log_of_an_older_version_and_what_to_do(run: CliRunner, log: Path) -> None:
    log.write_bytes(b"".join(rehash(write(log, act("1"), DECIDED), 1)))
    done = run.invoke(app, ["verify", "--log", str(log)])
    assert done.exit_code == 4
    assert "line 1: written by an older version of authguard: verify it with that version, archive it" in done.stderr


@pytest.mark.parametrize("name", ["audit.jsonl", "nowhere/audit.jsonl", "."])
def test_a_mistyped_path_is_a_mistake_and_not_a_finding(run: CliRunner, log: Path, name: str) -> None:
    done = run.invoke(app, ["verify", "--log", str(log.parent / name)])
    assert done.exit_code == (2 if name == "." else 1)
    assert ("is a folder" if name == "." else "there is no log") in " ".join(
        f"{done.stderr} {done.exception}".replace("│", "").split()
    )


def test_a_log_of_which_something_is_left_was_removed(run: CliRunner, log: Path) -> None:
    write(log.with_name("audit.1.jsonl"), act("1"))
    done = run.invoke(app, ["verify", "--log", str(log)])
    assert done.exit_code == 4
    assert "the file does not exist" in done.stderr


def test_without_a_key_nothing_vouches_for_a_log(run: CliRunner, log: Path) -> None:
    write(log, act("1"))
    done = run.invoke(app, ["verify", "--log", str(log)])
    assert done.exit_code == 4
    assert "no public key" in done.stderr
    assert run.invoke(app, ["verify", "--log", str(log), "--hashes-only"]).exit_code == 0
    both = run.invoke(app, ["verify", "--log", str(log), "--hashes-only", "--require-signed"])
    assert both.exit_code == 2


def test_verify_tells_repairs(run: CliRunner, log: Path) -> None:
    write(log, ActEntry(id="a", at=AT, policy="ab", act="repaired", note="9 bytes"))
    assert "1 torn line removed" in run.invoke(app, ["verify", "--log", str(log)]).output


def test_the_log_is_named_by_argument_then_variable_then_default(
    run: CliRunner, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "`var/audit.jsonl`" in str(run.invoke(app, ["verify", "--hashes-only"]).exception)
    write(log, act("1"))
    monkeypatch.setenv("AUTHGUARD_AUDIT_LOG", str(log))
    assert run.invoke(app, ["verify", "--hashes-only"]).exit_code == 0
    assert run.invoke(app, ["verify", "--hashes-only", "--log", "elsewhere"]).exit_code == 1


# --- tail


def test_tail_shows_the_last_lines_of_all_chains_readably(run: CliRunner, log: Path) -> None:
    write(log, act("one"), DECIDED)
    moved = TransitionEntry(
        id="m", at=AT + 0.5, policy="ab", machine="session", event="e.x", source="a", dest="b", cause="timer"
    )
    write(log.with_name("audit.1.jsonl"), moved)
    done = run.invoke(app, ["tail", "--log", str(log), "-n", "2"])
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "2027-01-15 08:00:00.500Z transition machine=session event=e.x source=a dest=b cause=timer id=m",
        "2027-01-15 08:00:01.000Z decision   operation=pay outcome=deny fallback=no rule=3:no cell=live,normal id=d1",
    ]


def test_tail_prints_json_with_iso_times_and_raw_lines_byte_for_byte(run: CliRunner, log: Path) -> None:
    lines = write(log, act("turned \u202e round, \x7f, \x1b[31m, \U000e0001, and ü"))
    shown = run.invoke(app, ["tail", "--log", str(log), "--json"]).output.rstrip("\n")
    assert shown.isprintable()
    assert json.loads(shown) == {**json.loads(lines[0]), "at": "2027-01-15T08:00:00.000Z"}
    assert run.invoke(app, ["tail", "--log", str(log), "--raw"]).stdout_bytes == lines[0]
    assert run.invoke(app, ["tail", "--log", str(log), "--raw", "--json"]).exit_code == 2
    log.write_bytes(b"\xff\x1b no record\n")
    assert json.loads(run.invoke(app, ["tail", "--log", str(log), "--json"]).output) == {
        "kind": "not_a_record",
        "line": "\\xff\x1b no record",
    }


def test_tail_takes_a_period(run: CliRunner, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("authguard.clock.SystemClock.now", lambda _: AT + 7_200)
    write(log, *(act(str(minute), AT + 60 * minute) for minute in range(60)))

    def notes(*words: str) -> list[str]:
        done = run.invoke(app, ["tail", "--log", str(log), "--json", *words])
        return [json.loads(line)["note"] for line in done.stdout.splitlines()]

    assert notes("--since", "2027-01-15T08:57Z") == ["57", "58", "59"]
    assert notes("--until", "2027-01-15T08:02Z", "-n", "2") == ["1", "2"]
    assert notes("--since", "2027-01-15T08:05Z", "--until", "2027-01-15T08:06Z") == ["5", "6"]
    done = run.invoke(app, ["tail", "--log", str(log), "--since", "30m"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no record in this period\n")
    assert run.invoke(app, ["tail", "--follow", "--until", "1m"]).exit_code == 2


def test_tail_reads_no_more_of_a_long_log_than_it_shows(run: CliRunner, log: Path) -> None:
    lines = write(log, *(act("n" * 400 + str(number), AT + number) for number in range(3_000)))
    for base in range(0, 2_900, 100):
        log.with_name(f"{log.name}.{base:012}").write_bytes(b"".join(lines[base : base + 100]))
    log.write_bytes(b"".join(lines[2_900:]))
    for count in (1, 150, 2_999):
        assert run.invoke(app, ["tail", "--log", str(log), "--raw", "-n", str(count)]).stdout_bytes == b"".join(
            lines[-count:]
        )
    log.with_name(f"{log.name}.{2_800:012}").write_bytes(b"broken")
    assert run.invoke(app, ["tail", "--log", str(log), "--raw", "-n", "1"]).stdout_bytes == lines[-1]


def test_what_does_not_print_is_shown_by_its_code_and_a_value_cannot_pass_for_two(run: CliRunner, log: Path) -> None:
    write(log, act('\x1b[2J\nx outcome=allow "q" \u202e'))
    done = run.invoke(app, ["tail", "--log", str(log)])
    assert done.output.rstrip("\n").isprintable()
    assert r'note="\u001b[2J\u000ax outcome=allow \"q\" \u202e"' in done.output


def test_a_line_that_is_no_record_is_shown_as_such(run: CliRunner, log: Path) -> None:
    log.write_bytes(b"\xff\x1b not json\n" + b'{"kind":["x"],"at":"soon","rule":{"a":1},"cell":[1,[2]]}\n')
    done = run.invoke(app, ["tail", "--log", str(log)])
    assert done.exit_code == 0
    assert done.output.splitlines()[0] == r"not a record: \xff\u001b not json"
    assert done.output.splitlines()[1].startswith("(no time)")


def test_a_long_value_is_cut() -> None:
    shown = format_record_line({"kind": "act", "at": AT, "note": "n" * 5_000}, b"")
    assert shown.endswith("n…")
    assert len(shown) < 300


def test_escaping_leaves_what_prints_alone() -> None:
    assert escape("Straße 5 € ✓") == "Straße 5 € ✓"


def test_tail_of_no_file_says_what_to_do(run: CliRunner, log: Path) -> None:
    done = run.invoke(app, ["tail", "--log", str(log)])
    assert done.exit_code == 1
    assert "set AUTHGUARD_AUDIT_LOG" in done.stderr


@pytest.mark.parametrize("count", ["-1", "10001", "x"])
def test_tail_takes_a_bounded_number_of_lines(run: CliRunner, log: Path, count: str) -> None:
    write(log, act("1"))
    assert run.invoke(app, ["tail", "--log", str(log), "-n", count]).exit_code == 2


def test_tail_follows_until_it_is_interrupted_and_ends_in_peace(log: Path) -> None:
    write(log, act("before"))
    # run the console script in a separate process, so that the interrupt is real; a shell starts background processes
    # with interrupts ignored, and Python keeps that setting
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    script = f"{heard}; from authguard.cli import main; main()"
    follower = subprocess.Popen(  # noqa: S603 - our own interpreter and script
        [sys.executable, "-c", script, "audit", "tail", "--log", str(log), "-f"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert follower.stdout is not None
        assert "note=before" in follower.stdout.readline()
        write(log.with_name("audit.1.jsonl"), act("after", AT + 5))
        assert "note=after" in follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        _, complaints = follower.communicate(timeout=300)
    finally:
        follower.kill()
        follower.communicate()
    assert follower.returncode == 0
    assert complaints == ""

"""The commands of an operator on what a real app left behind: JSON keys, examples of the help, a narrow window, ids."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Any, Final

import pytest

from authguard.cli import main, span, table
from authguard.cli.command_table import COMMANDS
from authguard.cli.output import FAILED, OK, USAGE
from tests.cli.test_examples import examples

if TYPE_CHECKING:
    from tests.cli.operated_app import OperatedApp

GROUPS: Final = ("accounts", "handoff", "rollback", "sessions", "transactions")
#: keys of each document; they are promised: a change here breaks somebody's program
TRANSACTION: Final = {
    *("transaction", "operation", "amount", "currency", "state", "needs", "entered", "created", "lapses", "subject"),
    *("actors", "session", "digest", "shown", "role", "count", "approvals", "held_for", "tripped", "over", "by"),
    *("reason", "status", "hold", "approvers"),
}
LIMIT: Final = {
    *("limit", "most", "currency", "seconds", "by", "spent", "booked", "remaining", "cost", "exceeded", "tripped"),
}
TICKET: Final = {
    *("id", "queue", "opened", "operation", "subject", "account", "session", "states", "assurance", "decisions"),
    "record",
}
SESSION: Final = {
    *("session", "account", "subject", "state", "entered", "signed_in", "last_seen", "verification"),
    *("verification_entered", "channel"),
}
ACCOUNT: Final = {
    *("account", "subject", "seen", "state", "entered", "reported", "reinstated", "not_before", "reports"),
    *("attempts", "roles"),
}
BY: Final = ("--by", "Ines", "--reason", "why")
TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(words)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def read(call: Any, *words: str) -> Any:
    code, out, err = call(*words, "--json")
    assert code == OK, err
    return json.loads(out)


def test_the_keys_of_documents_are_stable_and_times_are_iso(made: OperatedApp, call: Any) -> None:
    listed = read(call, "transactions", "list")
    assert [one["transaction"] for one in listed] == [made.in_doubt, made.held]
    assert all(set(one) == TRANSACTION for one in listed)
    assert [(one["amount"], one["currency"]) for one in listed] == [("30", "EUR"), ("40.50", "EUR")]
    assert listed[1]["actors"] == ["concierge"]
    shown = read(call, "transactions", "show", made.held)
    assert set(shown) == TRANSACTION | {"limits", "next"}
    assert all(set(one) == LIMIT for one in shown["limits"])
    assert TIME.fullmatch(shown["lapses"])
    (ticket,) = [one for one in read(call, "handoff", "list") if one["ticket"]["id"] == made.ticket]
    assert (set(ticket), set(ticket["ticket"])) == ({"ticket", "state", "by", "at"}, TICKET)
    assert TIME.fullmatch(ticket["ticket"]["opened"])
    assert all(set(one) == {"at", "operation", "outcome", "record"} for one in ticket["ticket"]["decisions"])
    assert all(set(one) == SESSION for one in read(call, "sessions", "list"))
    assert all(set(one) == ACCOUNT for one in read(call, "accounts", "list", "--state", "any"))
    for words in (("accounts", "show", "alice"), ("accounts", "reinstate", "alice", *BY)):
        assert set(read(call, *words)) == ACCOUNT
    assert TIME.fullmatch(read(call, "accounts", "sign-out", "alice", *BY)["not_before"])
    for act in (("show",), ("reset", *BY), ("end", *BY)):
        assert set(read(call, "sessions", act[0], made.session, *act[1:])) == SESSION
    assert read(call, "handoff", "take", made.ticket, "--by", "Ines")["by"] == "Ines"
    assert read(call, "handoff", "close", made.ticket, *BY)["state"] == "closed"
    assert set(read(call, "rollback", "status")) == {"state", "entered", "faulted"}
    assert read(call, "rollback", "engage", *BY)["state"] == "rolled_back"
    assert read(call, "rollback", "release", *BY)["state"] == "recovering"


def test_what_waits_is_decided_by_the_commands_that_the_list_and_the_page_name(made: OperatedApp, call: Any) -> None:
    listed = call("transactions", "list")[1]
    assert listed.startswith("2 transactions wait for you: 1 in doubt, 1 held\n")
    assert "40.50 EUR" in listed
    assert "via concierge" in listed
    for line in call("transactions", "list")[1].splitlines()[-2:]:
        words = shlex.split(line.removeprefix("next: authguard ").replace("NAME", "Ines").replace("WHY", "checked"))
        assert call(*words)[0] == OK, line
    assert call("transactions", "list")[1] == "no transaction waits for you\n"
    assert read(call, "transactions", "show", made.in_doubt)["state"] == "done"
    assert read(call, "transactions", "show", made.held)["approvals"][0]["by"] == "Ines"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_lists_fit_the_window(made: OperatedApp, call: Any, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    from authguard.cli import accounts, handoff, sessions, transactions  # noqa: PLC0415 - each has the name

    for module in (accounts, handoff, sessions, transactions):
        monkeypatch.setattr(module, "window_width", lambda: width)
    for words in (("transactions",), ("handoff",), ("sessions",), ("accounts", "list", "--state", "any")):
        out = call(*words, *(() if "list" in words else ("list",)))[1]
        assert made.held[:8] in out or words[0] != "transactions"
        long = [line for line in out.splitlines() if table.display_width(line) > width and "authguard" not in line]
        assert not long


@pytest.mark.parametrize("words", [one.words for one in COMMANDS if one.group in GROUPS])
def test_the_examples_of_the_help_work(made: OperatedApp, call: Any, words: str) -> None:
    found = examples(words)
    assert found, words
    transaction = made.in_doubt if words == "transactions settle" else made.held
    ids = {"3f2a91c4": transaction[:8], "adc9b1b0": made.ticket[:8], "76e48676": made.session[:8], " --over daily": ""}
    if words == "handoff close":
        assert call("handoff", "take", made.ticket, "--by", "Ines")[0] == OK
    for example in found:
        typed = example
        for old, new in ids.items():
            typed = typed.replace(old, new)
        if typed.startswith("authguard transactions approve") and "Omar" in typed:
            continue  # the first example has approved it
        known = {"refund", "refunds"} & {
            one["operation"] for one in read(call, "transactions", "list", "--state", "any")
        }
        typed = typed.replace("--operation refund", f"--operation {min(known)}") if known else typed
        typed = typed.replace("--queue fraud", f"--queue {read(call, 'handoff', 'list')[0]['ticket']['queue']}")
        code, _, err = call(*shlex.split(typed.removeprefix("authguard ")))
        assert code == OK, (typed, err)


def test_an_unknown_id_names_the_list_and_an_unknown_state_the_nearest(made: OperatedApp, call: Any) -> None:
    del made
    for group, words in (
        ("transactions", ("show", "ffff")),
        ("handoff", ("take", "ffff", "--by", "a")),
        ("sessions", ("show", "zz")),
        ("accounts", ("show", "--ticket", "ffff")),
    ):
        code, out, err = call(group, *words)
        assert (code, out, "\nnext: authguard " in err) == (FAILED, "", True)
    for group, state, near in (("transactions", "in-doubt", "in_doubt"), ("sessions", "actve", "active")):
        code, _, err = call(group, "list", "--state", state)
        assert (code, f"did you mean `{near}`?" in " ".join(err.replace("│", "").split())) == (USAGE, True)


def test_spans_are_rounded_down_to_two_units() -> None:
    shown = [span.format_span(seconds) for seconds in (-1, 59.9, 3_599, 3_660, 86_400, 100_000, float("inf"))]
    assert shown == ["0s", "59s", "59m", "1h 1m", "1d", "1d 3h", ""]
    assert (span.format_ago(0, 9), span.format_ago(5, 9), span.format_until(9, 5)) == ("", "4s ago", "in 4s")


def test_a_reader_without_the_keys_sees_all_but_requests_and_names(made: OperatedApp, call: Any) -> None:
    for name in ("authguard.db.key", "authguard.db.names"):
        (made.folder / "var" / name).write_text("no key", "utf-8")
    code, out, err = call("transactions", "list")
    assert (code, out.splitlines()[0]) == (OK, "2 transactions wait for you: 1 in doubt, 1 held")
    assert err.startswith("note: stored requests are not shown: ")
    code, out, _ = call("transactions", "show", made.held)
    assert (code, "encrypted with another key" in out, "next: authguard transactions approve" in out) == (
        OK,
        True,
        True,
    )
    assert call("sessions", "list")[0] == OK
    listed = call("accounts", "list", "--state", "any")[1]
    assert "\naccount " in listed
    assert "next:" not in listed

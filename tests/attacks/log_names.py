"""Attacks on the names in the log: what staff did to somebody is found under their name, and forgotten with it."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

from tests.attacks.harness import Site, ask, attack
from tests.attacks.money import Bank

if TYPE_CHECKING:
    from tests.attacks.harness import Command

#: exit code of an unknown command or option
USAGE: Final = 2
WHO = ("--by", "Ines", "--reason", "came to the branch")


class Branch:
    """A bank with a store, a log and a shell; alice is its customer."""

    def __init__(self, site: Site) -> None:
        site.clock.set(time.time())
        self.site = site
        self.bank = Bank(site)
        self.bank.guard = site.guard(self.bank.app, store=site.folder / "authguard.db")

    def shell(self, *words: str, environ: dict[str, str] | None = None) -> Command:
        files = ("--policy", "policy.yaml", "--store", "authguard.db", "--log", "audit.jsonl")
        return self.site.command(*words, *files, environ=environ)

    async def visit(self) -> tuple[str, str]:
        """Hand alice over to a person, and hold a payment of hers; return the ticket and the transaction."""
        weak = self.site.token(acr="aal1", sid="elsewhere")
        handed = await ask(self.bank.guard, "POST", "/chat", weak, body=b"{}")
        assert handed.json()["outcome"] == "handoff", f"it got {handed.body!r}"
        return handed.json()["next"]["ticket"], await self.bank.hold("k")

    def lines(self) -> list[dict[str, Any]]:
        """Return every line of every chain of the log."""
        chains = sorted(self.site.folder.glob("audit*.jsonl"))
        return [json.loads(line) for chain in chains for line in chain.read_text("utf-8").splitlines()]

    def found(self) -> set[str]:
        """Return the ids of the records that the log is found to hold of alice."""
        options = ("--issuer", "https://issuer.test", "--store", "authguard.db", "--log", "audit.jsonl")
        said = self.site.command("audit", "query", "--subject", "alice", *options, "--format", "json")
        if said.code == USAGE:  # an older checkout: `audit subject`
            said = self.site.command("audit", "subject", "alice", *options, "--format", "json")
        return {record["id"] for record in json.loads(said.out)}


@attack(14)
def what_staff_did_outlives_a_subject(site: Site) -> None:
    """Have staff act on somebody through every door, erase them, and look for what still leads to them."""
    branch = Branch(site)
    ticket, transaction = asyncio.run(branch.visit())
    session = next(line["session"] for line in branch.lines() if line.get("session"))
    commands = (
        ("accounts", "reinstate", "alice", *WHO),
        ("accounts", "sign-out", "alice", *WHO),
        ("sessions", "reset", session, *WHO),
        ("sessions", "end", session, *WHO),
        ("handoff", "take", ticket, "--by", "Ines"),
        ("handoff", "close", ticket, "--by", "Ines", "--reason", "helped"),
        ("transactions", "deny", transaction, *WHO),
    )
    for words in commands:
        done = branch.shell(*words)
        assert done.code == 0, f"{words[:2]} said {done.err}"
    acts = {line["id"]: line["act"] for line in branch.lines() if line.get("by") == "Ines"}
    assert len(acts) == len(commands), f"the log has {acts}"
    denied = next(line for line in branch.lines() if line.get("act") == "transaction.denied")
    assert denied.get("session"), "no timeline of the session tells that its transaction was denied"
    missed = {act for id_, act in acts.items() if id_ not in branch.found()}
    assert not missed, f"`audit query --subject` does not find {sorted(missed)}"
    names = {line["subject"] for line in branch.lines() if line["id"] in acts}
    assert len(names) == 1, f"one person has {len(names)} names"
    erased = branch.shell("audit", "erase", "alice", "--by", "dana", "--reason", "asked", "--yes")
    assert erased.code == 0, f"the erasure said {erased.out} {erased.err}"
    assert not branch.found(), "records are found after the erasure"
    kept = branch.shell("transactions", "list", "--state", "", "--json")
    assert not any(name in kept.out for name in names), "the store leads from the account to the forgotten name"


@attack(14)
def somebody_unknown_is_reinstated(site: Site) -> None:
    """Reinstate and erase a pseudonym of no account, and a name with a slip in it: nobody is helped, and it says ok."""
    branch = Branch(site)
    ticket, transaction = asyncio.run(branch.visit())
    (subject,) = {line["subject"] for line in branch.lines() if line.get("ticket") == ticket and line["kind"] == "act"}
    for name in (f"{subject[:-1]}{'0' if subject[-1] != '0' else '1'}", subject[:7], "alcie"):
        done = branch.shell("accounts", "reinstate", name, *WHO)
        assert done.code != 0, f"the reinstatement of nobody said {done.out}"
        assert branch.shell("audit", "erase", name, "--by", "d", "--reason", "x", "--yes").code != 0
    account = json.loads(branch.shell("accounts", "show", "alice", "--json").out)["account"]
    for way in (("--ticket", ticket), ("--transaction", transaction)):
        shown = branch.shell("accounts", "show", *way, "--json")
        assert json.loads(shown.out)["account"] == account, f"{way[0]} does not lead to the account"
    assert branch.shell("accounts", "reinstate", "--ticket", ticket, *WHO).code == 0


@attack(14)
def a_shell_without_the_key_writes_other_names(site: Site) -> None:
    """Reinstate from a shell in which the key of the app's names is not set."""
    branch = Branch(site)
    branch.bank.guard = site.guard(
        branch.bank.app, store=site.folder / "authguard.db", environ={}, pseudonym_key=b"k" * 32
    )
    asyncio.run(branch.visit())
    known = {line["subject"] for line in branch.lines() if line.get("subject")}
    branch.shell("accounts", "reinstate", "alice", *WHO)
    written = {line["subject"] for line in branch.lines() if line.get("act") == "account.reinstated"}
    assert written <= known, "the shell named the same person otherwise"
    done = branch.shell("accounts", "reinstate", "alice", *WHO, environ={"AUTHGUARD_PSEUDONYM_KEY": (b"k" * 32).hex()})
    assert done.code == 0, done.err
    written = {line["subject"] for line in branch.lines() if line.get("act") == "account.reinstated"}
    assert len(written) == 1
    assert written <= known, "the shell with the key named the same person otherwise"

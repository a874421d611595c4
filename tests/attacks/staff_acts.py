"""Attacks by and on those who act by hand: one person under two spellings, words that say nothing, others' tickets."""

from __future__ import annotations

import asyncio
import json

from tests.attacks.harness import Site, attack
from tests.attacks.log_names import Branch
from tests.attacks.money import POLICY

ROLLBACK = "rollback: {authority: {engage: {role: operations}, release: {role: operations, count: 2}}}\n"


@attack(14)
def one_person_is_two(site: Site) -> None:
    """Approve what two people have to approve, and release what two have to release, as `dana` and as `Dana`."""
    branch = Branch(site)
    site.policy(POLICY.replace("count: 1", "count: 2") + ROLLBACK)
    branch.bank.guard = site.guard(branch.bank.app, store=site.folder / "authguard.db")
    transaction = asyncio.run(branch.bank.hold("k"))
    branch.shell("transactions", "approve", transaction, "--by", "dana", "--by", "Dana", "--reason", "seen")
    branch.shell("transactions", "approve", transaction, "--by", "\uff24\uff21\uff2e\uff21.", "--reason", "seen")
    waits = json.loads(branch.shell("transactions", "list", "--json").out)
    assert [one["transaction"] for one in waits] == [transaction], "one person approved for two"
    branch.shell("rollback", "engage", "--by", "dana", "--reason", "wrong answers")
    released = branch.shell("rollback", "release", "--by", "dana", "--by", "Dana", "--reason", "mended")
    assert released.code != 0, "one person released for two"


@attack(14)
def nothing_is_a_reason(site: Site) -> None:
    """Deny a payment with a reason that nobody can read, and close a ticket without a word."""
    branch = Branch(site)
    ticket, transaction = asyncio.run(branch.visit())
    empty = ("--by", "dana", "--reason", " \u200b")
    assert branch.shell("transactions", "deny", transaction, *empty).code != 0, "an empty reason is kept"
    branch.shell("handoff", "take", ticket, "--by", "dana")
    assert branch.shell("handoff", "close", ticket, "--by", "dana", "--reason", "").code != 0, "an empty note is kept"


@attack(14)
def somebody_elses_ticket_is_closed(site: Site) -> None:
    """Close a ticket that a colleague has taken: the customer is with nobody, and the log says helped."""
    branch = Branch(site)
    ticket, _ = asyncio.run(branch.visit())
    branch.shell("handoff", "take", ticket, "--by", "Ines")
    assert branch.shell("handoff", "close", ticket, "--by", "Omar", "--reason", "helped").code != 0
    assert ticket in branch.shell("handoff", "list", "--json").out, "the ticket is gone"

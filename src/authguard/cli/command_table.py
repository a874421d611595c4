"""Table of all commands: where each is implemented, what it reads and changes, and what its JSON is.

Rules:
- Everything that lists commands reads this table: the command line, its help, `docs/commands.md` and the tests.
- A module of a command is imported only when the command is called, so that this module imports none of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct


class Source(StrEnum):
    """A part of a deployment that a command reads; its name is that of the option."""

    POLICY = "policy"
    STORE = "store"
    LOG = "log"


class Output(StrEnum):
    """Shape of the output of `--json`."""

    #: one JSON object
    OBJECT = "object"
    #: one JSON array, empty if there is nothing
    LIST = "list"
    #: JSON Lines: one object per line
    LINES = "lines"


class Command(Struct, frozen=True):
    """One command.

    Attributes:
        words: words that call it, without the name of the program.
        target: module of `authguard.cli` and function, separated by a colon.
        summary: first sentence of its help, for lists of commands.
        reads: parts of the deployment that it reads; each has an option.
        output: shape of its JSON.
        has_period: whether it takes `--since` and `--until`.
        changes: what it changes, in words; empty for a command that only reads.
    """

    words: str
    target: str
    summary: str
    reads: tuple[Source, ...] = ()
    output: Output = Output.OBJECT
    has_period: bool = False
    changes: str = ""

    @property
    def group(self) -> str:
        """Words of its group."""
        return self.words.rpartition(" ")[0]

    @property
    def name(self) -> str:
        """Last word."""
        return self.words.rpartition(" ")[2]


_P: Final = (Source.POLICY,)
_L: Final = (Source.LOG,)
_SL: Final = (Source.STORE, Source.LOG)
_PL: Final = (Source.POLICY, Source.LOG)
_ALL: Final = (Source.POLICY, Source.STORE, Source.LOG)
_ACT: Final = "store and log"
_FILES: Final = "files that it names"

#: words of a group -> its help
GROUPS: Final[dict[str, str]] = {
    "accounts": "Inspect and override account state.",
    "audit": "Query and verify the audit log.",
    "audit keys": "Show, generate and rotate the keys that sign the log.",
    "flags": "List, set and clear flags of accounts, sessions and payees.",
    "handoff": "List, take and close hand-off tickets.",
    "issuer": "Check the metadata and keys of an issuer.",
    "policy": "Create, check, test, compare and explain policies.",
    "rollback": "Roll back to human service, and release the agent.",
    "sessions": "Inspect, reset and end sessions.",
    "token": "Check a token against a policy; mint tokens for local trials.",
    "transactions": "List and decide pending transactions.",
}

COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "accounts list", "accounts:listing", "List accounts that are not normal.", _ALL, Output.LIST, has_period=True
    ),
    Command("accounts show", "accounts:show", "Show the state of an account.", _ALL),
    Command("accounts reinstate", "accounts:reinstate", "Reinstate an account.", _ALL, changes=_ACT),
    Command("accounts sign-out", "accounts:sign_out", "End all sessions of an account.", _ALL, changes=_ACT),
    Command("audit tail", "audit_tail:tail", "Print the last records of a log.", _L, Output.LINES, has_period=True),
    Command("audit show", "audit_query:show", "Show one record and what it caused.", _L, Output.LIST),
    Command("audit query", "audit_query:query", "Find records.", _ALL, Output.LIST, has_period=True),
    Command(
        "audit explain",
        "audit_explain:explain",
        "Explain one record: why a request was decided as it was.",
        _ALL,
        has_period=True,
    ),
    Command(
        "audit timeline",
        "audit_timeline:timeline",
        "Print what happened in a session, in order.",
        _ALL,
        Output.LIST,
        has_period=True,
    ),
    Command("audit stats", "audit_stats:stats", "Print statistics of a period.", _L, has_period=True),
    Command("audit report", "audit_report:report", "Write an HTML report of a period.", _ALL, has_period=True),
    Command(
        "audit replay", "audit_replay:replay", "Run recorded requests through another policy.", _PL, has_period=True
    ),
    Command("audit export", "audit_query:export", "Export the records of a period.", _L, Output.LINES, has_period=True),
    Command("audit verify", "audit_verify:check", "Verify that no line of a log was changed.", _ALL),
    Command("audit accept", "audit_accept:accept", "Accept lines that `audit verify` reports.", _ALL, changes=_ACT),
    Command("audit prove", "audit_proof:prove", "Write a proof that the log contains a record.", _SL),
    Command("audit check-proof", "audit_proof:check_proof", "Verify a proof without the log.", _SL),
    Command(
        "audit erase",
        "audit_erase:erase",
        "Erase one subject: its records become anonymous.",
        _ALL,
        changes=_ACT,
    ),
    Command(
        "audit maintain",
        "audit_maintain:maintain",
        "Rotate, compress and retire due segments of the log.",
        _ALL,
        changes="log",
    ),
    Command("audit schema", "audit_schema:print_schema", "Print the JSON Schema of records."),
    Command("audit keys show", "audit_keys:show", "Print the public keys of the log.", _SL, Output.LIST),
    Command("audit keys generate", "audit_keys:generate", "Generate the signing key.", _SL, changes=_FILES),
    Command("audit keys rotate", "audit_keys:rotate", "Add a new signing key.", _SL, changes=_FILES),
    Command("flags list", "flags:listing", "List the flags that are set.", _ALL, Output.LIST),
    Command("flags set", "flags:set_flag", "Set a flag.", _ALL, changes=_ACT),
    Command("flags clear", "flags:clear", "Clear a flag.", _ALL, changes=_ACT),
    Command("handoff list", "handoff:show", "List open and taken tickets.", _ALL, Output.LIST, has_period=True),
    Command("handoff take", "handoff:take", "Take a ticket.", _ALL, changes=_ACT),
    Command("handoff close", "handoff:close", "Close a ticket that you took.", _ALL, changes=_ACT),
    Command("issuer check", "issuer_check:check", "Check the metadata and keys of an issuer."),
    Command("policy check", "policy_check:check", "Check policies and report each problem with a correction.", _P),
    Command("policy diff", "policy_diff:compare", "Compare two policies, and list looser and stricter settings.", _P),
    Command("policy explain", "policy_explain:explain", "Explain one decision of a policy.", _PL),
    Command("policy graph", "policy_graph:graph", "Draw the machines of a policy.", _P),
    Command("policy init", "policy_init:init", "Create a valid policy with scenarios and a README.", changes=_FILES),
    Command(
        "policy mutate", "policy_mutate:mutate", "Change a policy, and report the changes that its scenarios miss.", _P
    ),
    Command("policy schema", "policy_schema:print_schema", "Print the JSON Schema of policies."),
    Command("policy show", "policy_show:show", "Print a policy merged with those that it extends, or as a page.", _P),
    Command(
        "policy test", "policy_test:run_tests", "Run the scenarios of policies and report what they do not cover.", _P
    ),
    Command("rollback status", "rollback:show", "Show the state of the service.", _ALL),
    Command("rollback engage", "rollback:engage", "Stop the agent.", _ALL, changes=_ACT),
    Command("rollback release", "rollback:release", "Release the agent.", _ALL, changes=_ACT),
    Command(
        "sessions list",
        "sessions:listing",
        "List sessions, or those of one account.",
        _ALL,
        Output.LIST,
        has_period=True,
    ),
    Command("sessions show", "sessions:show", "Show the state of a session.", _ALL),
    Command("sessions reset", "sessions:reset", "Reset the verification of a session.", _ALL, changes=_ACT),
    Command("sessions end", "sessions:end", "End a session.", _ALL, changes=_ACT),
    Command("token check", "token_check:check", "Check a token against a policy.", _P),
    Command(
        "token mint",
        "token_mint:mint",
        "Print a token in the shape of a provider, for local trials.",
        changes=_FILES,
    ),
    Command(
        "transactions list",
        "transactions:listing",
        "List the transactions that wait for a person.",
        _ALL,
        Output.LIST,
        has_period=True,
    ),
    Command("transactions show", "transactions:show", "Show one transaction.", _ALL),
    Command("transactions approve", "transaction_decision:approve", "Approve a held transaction.", _ALL, changes=_ACT),
    Command("transactions deny", "transaction_decision:deny", "Deny a transaction.", _ALL, changes=_ACT),
    Command("transactions settle", "transaction_decision:settle", "Settle a transaction in doubt.", _ALL, changes=_ACT),
    Command("transactions export", "transactions:export", "Export transactions.", _ALL, Output.LINES, has_period=True),
)

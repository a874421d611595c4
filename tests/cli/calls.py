"""One working call of each command on the deployment of `tests.cli.operated_app`.

Rules:
- Every command of the table has one call; a test holds it. Calls that change something work on a copy of the folder.
- A call has no shared option: `--policy`, `--store` and `--log` come from the variables.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.cli.operated_app import OperatedApp

_BY: Final = ("--by", "Ines", "--reason", "asked by the customer")
#: words of a command -> its arguments; names in braces are attributes of the deployment
CALLS: Final[dict[str, tuple[str, ...]]] = {
    "accounts list": (),
    "accounts show": ("alice",),
    "accounts reinstate": ("alice", *_BY),
    "accounts sign-out": ("alice", *_BY),
    "audit tail": ("-n", "1"),
    "audit show": ("{decision}",),
    "audit query": ("--operation", "chat"),
    "audit explain": ("{refused}",),
    "audit timeline": ("{session}",),
    "audit stats": (),
    "audit report": ("--output", "{folder}/report.html"),
    "audit replay": (),
    "audit export": ("--output", "{folder}/records.csv"),
    "audit verify": (),
    "audit accept": ("audit.jsonl:1-2", *_BY),
    "audit prove": ("{decision}", "--output", "{folder}/record.proof"),
    "audit check-proof": ("{folder}/made.proof",),
    "audit erase": ("alice", *_BY, "--yes"),
    "audit maintain": (),
    "audit schema": (),
    "audit keys show": (),
    "audit keys generate": ("--file", "{folder}/new.signing"),
    "audit keys rotate": (),
    "flags list": (),
    "flags set": ("hurried", "alice", *_BY),
    "flags clear": ("hurried", "alice", *_BY),
    "handoff list": (),
    "handoff take": ("{ticket}", "--by", "Ines"),
    "handoff close": ("{ticket}", *_BY, "--override"),
    "issuer check": ("{issuer}", "--insecure-http"),
    "policy check": ("{folder}/policy.yaml",),
    "policy diff": ("support-desk", "{folder}/policy.yaml"),
    "policy explain": ("{folder}/policy.yaml", "--operation", "refund"),
    "policy graph": ("{folder}/policy.yaml",),
    "policy init": ("{folder}/made", "--yes"),
    "policy mutate": ("{folder}/policy.yaml", "--most", "3"),
    "policy schema": (),
    "policy show": ("{folder}/policy.yaml",),
    "policy test": ("support-desk",),
    "rollback status": (),
    "rollback engage": _BY,
    "rollback release": _BY,
    "sessions list": (),
    "sessions show": ("{session}",),
    "sessions reset": ("{session}", *_BY),
    "sessions end": ("{session}", *_BY),
    "token check": ("{folder}/policy.yaml",),
    "token mint": ("--provider", "auth0"),
    "transactions list": (),
    "transactions show": ("{held}",),
    "transactions approve": ("{held}", *_BY),
    "transactions deny": ("{held}", *_BY),
    "transactions settle": ("{in_doubt}", "done", *_BY),
    "transactions export": (),
}
#: exit codes other than 0: the log has no line to accept, and the agent is not stopped
EXIT_CODES: Final[dict[str, int]] = {"audit accept": 1}


def arguments(words: str, made: OperatedApp, issuer: str) -> list[str]:
    """Return the words and arguments of a call.

    Args:
        words: words of the command.
        made: the deployment, which is changed if the command changes something.
        issuer: URL of a running issuer.
    """
    names = asdict(made) | {"issuer": issuer}
    return [*words.split(), *(one.format(**names) for one in CALLS[words])]

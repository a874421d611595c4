"""Write docs/reference.md and the shipped JSON Schema of log records; `--check` compares them with the code.

Rules: the page contains only what the code contains; the same code gives the same bytes on every machine.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer
from msgspec import Struct

import authguard
import authguard.testing
from authguard.asgi.customer_text import DEFAULT_TEXTS
from authguard.asgi.endpoints import ENDPOINTS, own_operations
from authguard.asgi.reply import CLOSE_CODES, FORBIDDEN_CLOSE_CODE
from authguard.cli import build
from authguard.cli.command_table import COMMANDS
from authguard.core.decision_table import CONDITIONS, DIMENSIONS
from authguard.core.events import MACHINES, NOT_REPORTS, SERVICE_REPORTS, TIGHTENING
from authguard.core.outcomes import ADMITTING, RESPONSES, Outcome, Reason
from authguard.core.sections import DEFAULT_DURABILITY
from authguard.middleware import AuthGuard
from authguard.policy.checks import registry, route_coverage
from authguard.policy.compiler import load
from authguard.policy.loading import loader
from authguard.policy.schema import key_text, units
from authguard.policy.schema.document import KIND_KEYS, Document
from authguard.policy.schema.model import keys_of
from authguard.policy.schema.types import parser_of
from authguard.policy.testing import parser
from authguard.records import entries
from authguard.records.record_schema import schema_text
from authguard.settings import DEFAULT_LOG, DEFAULT_PREFIX, DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from authguard.core.decision_table import Rule
    from authguard.core.machine import Machine
    from authguard.core.policy import Policy

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
SCHEMA = ROOT / "src" / "authguard" / "audit" / "record.schema.json"
HOW = "python scripts/reference.py"
INTRODUCTION = f"""\
This page is generated from the code by `{HOW}`; do not edit it. [The guide](guide.md),
[writing policies](policies.md) and [operations](operations.md) explain what it lists."""
#: width of a command's help, independent of the terminal
COLUMNS = 100
#: comparison of a key -> what the page says instead of its name
COMPARED_AS = {
    **dict.fromkeys(("larger", "smaller", "wider", "narrower", "unordered", "neutral", ""), None),
    "larger_smaller_may_be": "larger",
    "wider_or_all": "wider, or none",
    "wider_or_any": "wider",
    "zero_is_unbounded": "larger, or none",
}
#: reasons of a credential that the table decides through its condition
_OF_THE_TABLE = {one for one in Reason if one.status == 401}  # noqa: PLR2004 - HTTP's own
_OF_THE_TABLE |= {one for one in Reason if one.code.startswith(("keys-", "introspection-"))}
LINES = entries.Entry.__args__


def page() -> str:
    """Return the whole page."""
    standard = load("standard")
    sections: tuple[tuple[str, Iterator[str]], ...] = (
        ("Keys of a policy", policy_keys()),
        ("Outcomes", outcomes()),
        ("Reasons", reasons()),
        ("Machines of the standard policy", machines(standard)),
        ("Timers of the standard policy", timers(standard)),
        ("Dimensions of the table", dimensions(standard)),
        ("Decision table of the standard policy", table_of_decisions(standard)),
        ("Fallbacks of the standard policy", fallbacks(standard)),
        ("Problems of a policy", problems()),
        ("Settings", settings()),
        ("Endpoints of the guard", endpoints()),
        ("Lines of the audit log", log_lines()),
        ("Public names", public_names()),
        ("Commands", commands()),
    )
    parts = ["# Reference", INTRODUCTION]
    parts.append("\n".join(f"- [{title}](#{title.lower().replace(' ', '-')})" for title, _ in sections))
    for title, blocks in sections:
        parts += [f"## {title}", *blocks]
    return "\n\n".join(parts) + "\n"


def policy_keys() -> Iterator[str]:
    """Format the keys of a policy, each model at its first place."""
    yield (
        "The last column is the value that `authguard policy diff` reports as looser. A change of an `unordered` value "
        "may be looser, and that of a `neutral` one never is; a key without an entry is compared by its effect."
    )
    places: list[tuple[type[Struct], str]] = [(Document, "")]
    for model, place in places:  # grows while it is read
        yield f"### {code(place)}" if place else "### A policy file"
        rows = []
        for key, one in keys_of(model).items():
            path = f"{place}.{key}".removeprefix(".")
            known = {part for part, _ in places}
            places += [(part, path + end) for part, end in parts_of(one.annotation) if part not in known]
            bounds = key_text.format_bounds(one.annotation)
            value = key_text.kind_of(one.annotation) + (f", {bounds}" if bounds else "")
            looser = one.declared.looser if one.declared else ""
            rows.append((code(key), value, key_text.describe(one), COMPARED_AS.get(looser, "by value") or looser))
        yield grid(("key", "value", "meaning", "looser"), rows)


def parts_of(annotation: Any, suffix: str = "") -> Iterator[tuple[type[Struct], str]]:  # noqa: ANN401 - any annotation
    """Yield the models in a type, with what follows their key in a path."""
    inner = {tuple: "[]", frozenset: "[]", dict: ".NAME"}.get(get_origin(annotation), "")
    if get_origin(annotation) is Annotated and parser_of(get_args(annotation)[1:]) is not None:
        return  # one value in a policy, whatever it is parsed to
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        yield annotation, suffix
    for one in get_args(annotation):
        yield from parts_of(one, suffix + inner)


def outcomes() -> Iterator[str]:
    """Format the eleven outcomes with their HTTP responses."""
    rows: list[tuple[object, ...]] = []
    for outcome in Outcome:
        if outcome in ADMITTING:
            rows.append((code(outcome), "the app's own", "", "", "", ""))
            continue
        status, title, action = RESPONSES[outcome]
        if outcome is Outcome.REPEAT:
            rows.append((code(outcome), "that of the first answer", "", "", "", ""))
            continue
        rows.append(
            (
                code(outcome),
                status,
                title,
                code(action),
                CLOSE_CODES.get(outcome, FORBIDDEN_CLOSE_CODE),
                DEFAULT_TEXTS[outcome],
            )
        )
    heads = (
        "outcome",
        "HTTP status",
        "title",
        "`next.action`",
        "WebSocket close code",
        "words where the policy has none",
    )
    yield grid(heads, rows)
    yield "A policy may set another status for a fallback."


def reasons() -> Iterator[str]:
    """Format the reason codes."""
    yield (
        "Why, as the log's `reason` says it. A status is given where a request is refused before the table is asked; "
        "the others get the status of their outcome."
    )
    rows = ((code(one.code), "" if one in _OF_THE_TABLE else one.status or "", one.public) for one in Reason)
    yield grid(("reason", "HTTP status", "public words"), rows)


def machines(policy: Policy) -> Iterator[str]:
    """Format every machine: its states, and the effect of each event in each state."""
    yield (
        "An event is written `machine.event`. In a state that a row does not name, the event changes nothing. "
        "The last column says what `guard.report` takes: `where listed` under the policy's `reports.app`."
    )
    for name in MACHINES:
        machine = policy.machines[name]
        yield f"### `{name}`"
        states = ", ".join(code(state) for state in machine.spec.states)
        order = ", from the laxest to the strictest report" if name == "account" else ""
        yield f"States{order}: {states}. It begins in {code(machine.spec.initial)}."
        rows = [
            (code(f"{name}.{event}"), moves(machine, event), report(name, event)) for event in machine.spec.triggers
        ]
        yield grid(("event", "what it does", "the app may report it"), rows)


def moves(machine: Machine, event: str) -> str:
    """Format the effect of one event, grouped by destination."""
    found: dict[str, list[str]] = {}
    for state in machine.spec.states:
        edge = machine.table[state, event]
        if edge.moves:
            raised = "".join(f", raises {code(name)}" for name in edge.raises)
            found.setdefault(f"{code(edge.dest)}{raised}", []).append(state)
    return "; ".join(f"{sources(machine, states)} to {dest}" for dest, states in found.items()) or "nothing"


def sources(machine: Machine, states: Sequence[str]) -> str:
    """Format states, or the missing ones if they are fewer."""
    missing = [state for state in machine.spec.states if state not in states]
    if len(missing) < len(states) and len(missing) < 4:  # noqa: PLR2004 - a list that is read at a glance
        return "any" + (f" but {', '.join(map(code, missing))}" if missing else "")
    return ", ".join(map(code, states))


def report(machine: str, event: str) -> str:
    """Format whether an app may report an event."""
    if machine == "account" and event not in {"normal", *NOT_REPORTS}:
        return "where listed"
    if f"{machine}.{event}" in SERVICE_REPORTS:
        return "by `Control`"
    return "yes" if f"{machine}.{event}" in TIGHTENING else ""


def timers(policy: Policy) -> Iterator[str]:
    """Format the timers."""
    rows = (
        (code(one.event), units.format_duration(one.after), code(one.since), ", ".join(map(code, one.states)) or "any")
        for one in policy.timers.declared
    )
    yield grid(("raises", "after", "since", "in the states"), rows)


def dimensions(policy: Policy) -> Iterator[str]:
    """Format the dimensions of a cell."""
    values = policy.table.values
    cells = 1
    for name in DIMENSIONS:
        cells *= len(values[name])
    yield f"A cell has one value of each, in this order, as the log's `cell` does: {cells:,} cells."
    rows = (
        (
            code(name),
            "condition of the request" if name in CONDITIONS else "machine",
            ", ".join(map(code, values[name])),
        )
        for name in DIMENSIONS
    )
    yield grid(("dimension", "kind", "values"), rows)


def table_of_decisions(policy: Policy) -> Iterator[str]:
    """Format the rules with the numbers of the log."""
    yield (
        "The first rule that matches decides. A rule's number is its place in the merged table, from 0, as the log's "
        "`rule` has it; rules that a policy adds come before these and move the numbers."
    )
    rows = ((rule.index, conditions(policy, rule), code(rule.do)) for rule in policy.table.rules)
    yield grid(("number", "when", "do"), rows)


def conditions(policy: Policy, rule: Rule) -> str:
    """Format a rule's conditions in the order of the table."""
    blocks = (
        f"{name} is {' or '.join(code(value) for value in policy.table.values[name] if value in rule.when[name])}"
        for name in DIMENSIONS
        if name in rule.when
    )
    return "; ".join(blocks) or "always"


def fallbacks(policy: Policy) -> Iterator[str]:
    """Format the fallbacks, and the keys of each kind."""
    rows = []
    for one in policy.fallbacks.values():
        attempts = f"{one.attempts} in {units.format_duration(one.per)}, then {code(one.then)}" if one.attempts else ""
        rows.append((code(one.name), code(one.kind), one.status or "", attempts, one.message.find((), "")))
    yield grid(("fallback", "kind", "status", "attempts", "says"), rows)
    yield f"A fault of the guard itself is answered by {code(policy.on_fault)}."
    own = (f"{code(kind)}: {', '.join(map(code, sorted(keys)))}" for kind, keys in sorted(KIND_KEYS.items()))
    yield f"Keys that only some kinds take: {'; '.join(own)}."
    kept = ", ".join(f"{code(risk)} {code(how)}" for risk, how in DEFAULT_DURABILITY.items())
    yield f"How a decision is kept before anything is admitted, by risk, where `audit.durability` says nothing: {kept}."


def problems() -> Iterator[str]:
    """Format the problem codes."""
    yield "A problem is one line, `file:line:column: error[code]: what is wrong; what to type instead`."
    yield "[Problems](problems.md) has a bad example and a fixed one of each; so has `policy check --explain CODE`."
    for title, found in (
        ("Found when a policy is read", loader.CODES),
        ("Found when a policy is checked", registry.CODES),
        ("Found in scenarios alone", parser.CODES),
        ("Found in an app", route_coverage.CODES),
    ):
        yield f"### {title}"
        yield grid(("code", "what it means"), ((code(name), prose(words)) for name, words in sorted(found.items())))


def settings() -> Iterator[str]:
    """Format the arguments of `AuthGuard` and the environment variables."""
    yield "The arguments of `AuthGuard(app, ...)`. An argument comes first, its variable second, the default last."
    blocks = arguments(AuthGuard.__init__)
    defaults = {"store": code(DEFAULT_STORE), "audit_log": code(DEFAULT_LOG), "prefix": code(DEFAULT_PREFIX)}
    variables = {name: re.findall(r"AUTHGUARD_\w+", words) for name, words in blocks.items()}
    rows = (
        (code(name), ", ".join(map(code, variables[name])), defaults.get(name, ""), prose(words.rstrip(".")))
        for name, words in blocks.items()
        if name != "app"
    )
    yield grid(("argument", "variable", "default", "meaning"), rows)


def arguments(function: Callable[..., Any]) -> dict[str, str]:
    """Read the arguments of a function from its docstring."""
    section = (inspect.getdoc(function) or "").partition("Args:\n")[2].partition("\n\n")[0]
    return dict(re.findall(r"^ {4}(\w+): (.+)$", re.sub(r"\n {5,}", " ", section), re.MULTILINE))


def endpoints() -> Iterator[str]:
    """Format the guard's endpoints."""
    rows = (
        (code(f"{one.match.method} {one.match.path}"), code(one.name), code(one.risk), summary(ENDPOINTS[one.name]))
        for one in own_operations(DEFAULT_PREFIX)
    )
    yield grid(("request", "operation", "risk", "what it answers"), rows)


def log_lines() -> Iterator[str]:
    """Format the kinds of log lines and their fields."""
    yield (
        "Every line also has `v`, the version of its form, `seq`, its place, `prev`, the hash of the line before, and "
        "`hash`, its own. `authguard audit schema` prints the closed JSON Schema; the package holds it as "
        "`authguard/audit/record.schema.json`."
    )
    rows = (
        (code(kind.__struct_config__.tag), summary(kind), ", ".join(map(code, kind.__struct_fields__)))
        for kind in LINES
    )
    yield grid(("kind", "what it is", "members; an empty one is left out"), rows)


def public_names() -> Iterator[str]:
    """Format the public names, one line each."""
    for module in (authguard, authguard.policy, authguard.testing):
        yield f"### `{module.__name__}`"
        exported = sorted(module.__all__, key=str.lower)
        yield grid(("name", "what it is"), ((code(name), summary(getattr(module, name))) for name in exported))
    for shown in (authguard.Guard, authguard.Control):
        yield f"### `{shown.__name__}`"
        members = (
            (code(name), summary(member))
            for name, member in vars(shown).items()
            if not name.startswith("_") and inspect.getdoc(member)
        )
        yield grid(("member", "what it is"), members)


def commands() -> Iterator[str]:
    """Format the help of every command, as plain text of a fixed width."""
    for command in sorted(COMMANDS, key=lambda one: one.words):
        tree: Any = typer.main.get_command(build(command.words))
        for word in command.words.split():
            tree = tree.commands[word]
        tree.rich_markup_mode = None  # plain text: boxes and colours depend on the terminal
        context = tree.make_context(f"authguard {command.words}", [], resilient_parsing=True, terminal_width=COLUMNS)
        yield f"### `authguard {command.words}`"
        yield f"```text\n{tree.get_help(context)}\n```"


def summary(thing: Any) -> str:  # noqa: ANN401 - whatever has a docstring
    """Return the first sentence of a docstring."""
    first = " ".join((inspect.getdoc(thing) or "").partition("\n\n")[0].split())
    return prose(first.rstrip("."))


def prose(words: str) -> str:
    """Turn a docstring's literals into Markdown's, and drop citations of pages that are not published."""
    return re.sub(r"`+([^`]+)`+", r"`\1`", re.sub(r" \((?:DESIGN|POLICY|WIRE)[^)]*\)", "", words))


def code(text: object) -> str:
    """Format a value as code."""
    return f"`{text}`"


def grid(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format a Markdown table."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def main(wanted: Sequence[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    stale = 0
    for path, written in ((PAGE, page()), (SCHEMA, schema_text())):
        if not wanted:
            path.write_text(written, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != written:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not in step with the code: run `{HOW}`\n")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Write docs/problems.md and the JSON Schemas of the shipped policies; `--check` compares them.

Rule: every text and example comes from the package, where a test runs each; only the introduction is written here.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from authguard.policy.catalogue import MEANINGS, format_remarks, load_examples
from authguard.policy.schema.json_schema import policy_schema, scenario_schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from authguard.policy.catalogue import Example

HOW: Final = "python scripts/catalogue.py"
ROOT: Final = Path(__file__).resolve().parents[1]
INTRODUCTION: Final = f"""\
This page is generated from the code by `{HOW}`; do not edit it. `authguard policy check --explain CODE`
prints any entry. [Writing policies](policies.md) explains the language.

A problem is one line: `file:line:column: severity[code]: what is wrong; what to type instead`. An error refuses the
policy, a note informs. Every bad example here has its code and no fixed one has it: a test runs them all."""


def page() -> str:
    """Return the whole page."""
    codes = " ".join(f"[`{code}`](#{code})" for code in MEANINGS)
    blocks = ["# Problems", INTRODUCTION, codes]
    for code, meaning in MEANINGS.items():
        blocks += [f"## {code}", f"{meaning[:1].upper()}{cited(meaning[1:])}.", *entry(load_examples()[code])]
    return "\n\n".join(blocks) + "\n"


def cited(text: str) -> str:
    """Turn a citation of the design into a link."""
    return re.sub(r"DESIGN (\d+)", r"[design, section \1](design.md)", text)


def entry(example: Example) -> Iterator[str]:
    """Format one code with its examples."""
    yield from format_remarks(example)
    language = "py" if example.kind == "app" else "yml"
    for title, text in (("Bad:", example.bad), ("Fixed:", example.fixed)):
        if text:
            yield title
            yield f"```{language}\n{text.rstrip()}\n```"


def main(wanted: Sequence[str]) -> int:
    """Write the page, or compare it; return the exit code."""
    if wanted not in ([], ["--check"]):
        sys.stderr.write(f"usage: {HOW} [--check]\n")
        return 2
    if silent := sorted(set(MEANINGS) - set(load_examples())):
        sys.stderr.write(f"no example in src/authguard/policy/catalogue/*.yaml for: {', '.join(silent)}\n")
        return 1
    written = {
        "docs/problems.md": page(),
        "policies/authguard.schema.json": pretty(policy_schema()),
        "policies/scenarios.schema.json": pretty(scenario_schema()),
    }
    there = {name: (ROOT / name).read_text("utf-8") for name in written if (ROOT / name).exists()}
    late = [name for name, text in written.items() if there.get(name) != text]
    if not wanted:
        for name in late:
            (ROOT / name).write_text(written[name], "utf-8")
        return 0
    if late:
        sys.stderr.write(f"{', '.join(late)} not in step with the code: run `{HOW}`\n")
    return 1 if late else 0


def pretty(schema: dict[str, Any]) -> str:
    """Format a schema as the command line prints it."""
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

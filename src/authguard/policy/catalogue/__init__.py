"""Every problem code: what it means, a policy that has it, and the same policy corrected.

The meanings stand beside the code that gives them; the examples are the YAML files of this folder, one entry a code:

- `bad` and `fixed`: a file each, or, without `whole: true`, what follows `HEADER` in one.
- `kind`: `policy`, or what the example is in place of one: `scenarios` beside the shipped `support-desk`, or an `app`.
- `other_files`: other files, by name. `checked_path`: what is checked instead of the example, in the bad case.
- `other_codes`: further codes of the bad example.
- `reported_as`: the code that a file gets because an earlier check refuses it; only a program can cause `code`.
- `fill`: what a `{{name}}` stands for: a `text`, a `character` or a `byte` (hexadecimal), and how many `times`.
- `no_example`: why there is no example.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from authguard.policy.checks import registry, route_coverage
from authguard.policy.loading import loader
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.testing import parser

if TYPE_CHECKING:
    from collections.abc import Mapping

#: problem code -> one sentence
MEANINGS: Final[Mapping[str, str]] = dict(
    sorted({**loader.CODES, **registry.CODES, **parser.CODES, **route_coverage.CODES}.items())
)
#: what an example that is no whole file begins with
HEADER: Final = "authguard: 1\nname: example\nextends: support-desk\n"
_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Placeholder:
    """What a placeholder stands for.

    Attributes:
        data: one of it, in bytes.
        words: how a person says one of it.
        times: how many.
    """

    data: bytes
    words: str
    times: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One code by example.

    Attributes:
        code: of the problem.
        kind: what `bad` and `fixed` are.
        bad: a file with the problem, placeholders unfilled; empty where `checked_path` or `no_example` says why.
        fixed: the same without it.
        other_files: other files, name -> text.
        checked_path: what is checked instead, in the bad case; empty for the example itself.
        other_codes: codes that the bad example has too.
        reported_as: the code that a file gets; empty for `code`.
        fill: placeholder -> what it stands for.
        no_example: why there is no example; empty where there is one.
    """

    code: str
    kind: Literal["policy", "scenarios", "app"] = "policy"
    bad: str = ""
    fixed: str = ""
    other_files: Mapping[str, str] = field(default_factory=dict)
    checked_path: str = ""
    other_codes: tuple[str, ...] = ()
    reported_as: str = ""
    fill: Mapping[str, Placeholder] = field(default_factory=dict)
    no_example: str = ""

    def filled(self, text: str) -> bytes:
        """Give the bytes of a file, placeholders filled."""
        data = text.encode()
        for name, filling in self.fill.items():
            data = data.replace(b"{{" + name.encode() + b"}}", filling.data * filling.times)
        return data


@cache
def load_examples() -> Mapping[str, Example]:
    """Read every entry, by code.

    Raises:
        ValueError: a file of this folder cannot be read; a mistake of a release, never of a user.
    """
    found: dict[str, Example] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        got = parse_yaml(path.read_bytes(), path.name)
        if got.problems:
            raise ValueError("\n".join(map(str, got.problems)))
        for code, entry in got.tree.to_plain().items():
            if code in found:
                raise ValueError(f"`{code}` is explained twice")
            found[code] = _example(code, entry)
    return found


def _example(code: str, entry: dict[str, Any]) -> Example:
    kind = entry.get("kind", "policy")
    header = "" if kind != "policy" or entry.pop("whole", False) else HEADER
    fill = {name: _placeholder(**parts) for name, parts in entry.pop("fill", {}).items()}
    other_codes = tuple(entry.pop("other_codes", ()))
    texts = {name: header + entry.pop(name) for name in ("bad", "fixed") if name in entry}
    return Example(code=code, other_codes=other_codes, fill=fill, **texts, **entry)


def _placeholder(*, text: str = "", character: str = "", byte: str = "", times: int = 1) -> Placeholder:
    if character:
        return Placeholder(data=chr(int(character, 16)).encode(), words=f"the character U+{character}", times=times)
    if byte:
        return Placeholder(data=bytes.fromhex(byte), words=f"the byte {byte}", times=times)
    return Placeholder(data=text.encode(), words=f"`{text.strip()}`", times=times)


def explain_problem(code: str) -> str:
    """Return the meaning of a code with a bad and a fixed example, as text of several lines.

    Raises:
        KeyError: there is no such code.
    """
    example = load_examples()[code]
    parts = [f"{code}: {MEANINGS[code]}", *format_remarks(example)]
    for title, text in (("bad", example.bad), ("fixed", example.fixed)):
        if text:
            lines = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
            parts.append(f"{title}:\n\n{lines}")
    return "\n\n".join(parts)


def format_remarks(example: Example) -> list[str]:
    """Say what one must know to read an example."""
    said = []
    if example.no_example:
        said.append(example.no_example)
    if example.reported_as:
        said.append(f"A file is already refused as {example.reported_as}; this code is for drafts made by a program.")
    if example.kind == "scenarios":
        said.append("The examples are scenarios beside the policy `support-desk`.")
    if example.kind == "app":
        said.append("The examples are an `app.py`, checked by `authguard policy check support-desk --app app:app`.")
    if example.checked_path:
        said.append(f"Asked for in the bad case: `{example.checked_path}`.")
    for name, filling in example.fill.items():
        times = f"{filling.times:,} times " if filling.times > 1 else ""
        said.append(f"`{{{{{name}}}}}` stands for {times}{filling.words}.")
    said.extend(f"Beside it, `{name}`: {' '.join(text.split())}" for name, text in example.other_files.items())
    return said

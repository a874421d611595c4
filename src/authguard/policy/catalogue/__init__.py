"""Catalogue of problem codes: the meaning of each code, a bad example, and the fixed example.

The meanings are next to the code that reports them. The examples are the YAML files of this folder, one entry per code:

- `bad` and `fixed`: the examples; without `whole: true` they are appended to `HEADER`.
- `kind`: type of the examples: `policy`, `scenarios` (of the shipped `support-desk`) or `app`.
- `other_files`: further files, by name.
- `checked_path`: path that is checked instead of the bad example.
- `other_codes`: further codes of the bad example.
- `reported_as`: code that a file gets because an earlier check refuses it; only a program can cause the entry's code.
- `fill`: value of a placeholder `{{name}}`: a `text`, a `character` or a `byte` (hexadecimal), repeated `times` times.
- `no_example`: reason for a missing example.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field

from authguard.policy.checks import registry, route_coverage
from authguard.policy.loading import loader
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.testing import parser

if TYPE_CHECKING:
    from collections.abc import Mapping

#: problem code -> meaning
MEANINGS: Final[Mapping[str, str]] = dict(
    sorted({**loader.CODES, **registry.CODES, **parser.CODES, **route_coverage.CODES}.items())
)
#: start of each example without `whole: true`
HEADER: Final = "authguard: 1\nname: example\nextends: support-desk\n"
_FOLDER: Final = Path(__file__).parent


class Placeholder(Struct, frozen=True, kw_only=True):
    """The value of a placeholder.

    Attributes:
        data: bytes of one repetition.
        words: description of one repetition.
        times: number of repetitions.
    """

    data: bytes
    words: str
    times: int = 1


class Example(Struct, frozen=True, kw_only=True):
    """The example of one problem code.

    Attributes:
        code: problem code.
        kind: type of `bad` and `fixed`.
        bad: file with the problem, with placeholders; empty if `checked_path` or `no_example` is set.
        fixed: file without the problem.
        other_files: further files, name -> text.
        checked_path: path that is checked instead of `bad`; empty for `bad` itself.
        other_codes: further codes of `bad`.
        reported_as: code that a file gets; empty for `code`.
        fill: name of a placeholder -> value.
        no_example: reason for a missing example; empty if there is one.
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

    def fill_placeholders(self, text: str) -> bytes:
        """Return the bytes of a text with its placeholders replaced."""
        data = text.encode()
        for name, value in self.fill.items():
            data = data.replace(b"{{" + name.encode() + b"}}", value.data * value.times)
        return data


@cache
def load_examples() -> Mapping[str, Example]:
    """Load all entries, by code.

    Raises:
        ValueError: a catalogue file is not valid; a bug of the release, not of a user.
    """
    found: dict[str, Example] = {}
    for path in sorted(_FOLDER.glob("*.yaml")):
        got = parse_yaml(path.read_bytes(), path.name)
        if got.problems:
            raise ValueError("\n".join(map(str, got.problems)))
        for code, entry in got.tree.to_plain().items():
            if code in found:
                raise ValueError(f"`{code}` has two entries")
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
        KeyError: the code does not exist.
    """
    example = load_examples()[code]
    parts = [f"{code}: {MEANINGS[code]}", *format_remarks(example)]
    for title, text in (("bad", example.bad), ("fixed", example.fixed)):
        if text:
            lines = "\n".join(f"    {line}".rstrip() for line in text.splitlines())
            parts.append(f"{title}:\n\n{lines}")
    return "\n\n".join(parts)


def format_remarks(example: Example) -> list[str]:
    """Return remarks that explain the context of an example."""
    remarks = []
    if example.no_example:
        remarks.append(example.no_example)
    if example.reported_as:
        remarks.append(
            f"A file is refused earlier as {example.reported_as}; this code is for drafts built by a program."
        )
    if example.kind == "scenarios":
        remarks.append("The examples are scenarios of the policy `support-desk`.")
    if example.kind == "app":
        remarks.append("The examples are an `app.py`, checked by `authguard policy check support-desk --app app:app`.")
    if example.checked_path:
        remarks.append(f"The bad example checks `{example.checked_path}`.")
    for name, value in example.fill.items():
        times = f"{value.times:,} times " if value.times > 1 else ""
        remarks.append(f"`{{{{{name}}}}}` means {times}{value.words}.")
    remarks.extend(f"Further file `{name}`: {' '.join(text.split())}" for name, text in example.other_files.items())
    return remarks

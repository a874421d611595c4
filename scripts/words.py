"""Count the words of scripts/words.txt in code and pages; `--check` fails where there are too many.

In Python the docstrings, comments and identifiers count (identifiers split at underscores and capitals), in Markdown
all but code blocks. Without a path the whole project is counted, each part against its limit.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
LIST: Final = Path(__file__).with_name("words.txt")
#: listed words per 10,000 that a part may have
LIMIT: Final = 20.0
PARTS: Final = (("src",), ("docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md"))
SHOWN: Final = 15

_WORD: Final = re.compile(r"[A-Za-z]+")
_BLOCK: Final = re.compile(r"```.*?```", re.DOTALL)
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


def read_patterns(text: str) -> tuple[re.Pattern[str], ...]:
    """Return the patterns of a list: one regular expression per line, `#` begins a comment line."""
    lines = (line.strip() for line in text.splitlines())
    return tuple(re.compile(line, re.IGNORECASE) for line in lines if line and not line.startswith("#"))


def prose(path: Path) -> str:
    """Return the text of a file that counts."""
    source = path.read_text("utf-8")
    return _BLOCK.sub(" ", source) if path.suffix == ".md" else " ".join(_python_prose(source))


def _python_prose(source: str) -> Iterator[str]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        is_docstring = token.type == tokenize.STRING and token.string.lstrip("rRbBuUfF").startswith('"""')
        if token.type == tokenize.COMMENT or is_docstring:
            yield token.string
        elif token.type == tokenize.NAME:
            yield _HUMP.sub(" ", token.string.replace("_", " "))


def files(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the Python and Markdown files below some paths."""
    for path in paths:
        if path.is_file():
            yield path
        else:
            yield from (one for one in sorted(path.rglob("*")) if one.suffix in {".py", ".md"})


def count(paths: tuple[Path, ...], patterns: tuple[re.Pattern[str], ...]) -> tuple[float, Counter[str], Counter[str]]:
    """Return the listed words per 10,000, and how many there are by pattern and by file."""
    words = 0
    by_pattern: Counter[str] = Counter()
    by_file: Counter[str] = Counter()
    for path in files(paths):
        text = prose(path)
        words += len(_WORD.findall(text))
        for pattern in patterns:
            if found := len(pattern.findall(text)):
                by_pattern[pattern.pattern] += found
                by_file[str(path)] += found
    return by_pattern.total() * 10_000 / max(words, 1), by_pattern, by_file


def main(arguments: list[str]) -> int:
    """Print the counts; return 1 if `--check` is given and a part is above the limit."""
    named = tuple(Path(one) for one in arguments if not one.startswith("--"))
    parts = (named,) if named else tuple(tuple(ROOT / one for one in part) for part in PARTS)
    patterns = read_patterns(LIST.read_text("utf-8"))
    failed = False
    for part in parts:
        share, by_pattern, by_file = count(part, patterns)
        failed |= share >= LIMIT
        name = ", ".join(one.name for one in part)
        sys.stdout.write(f"{name}: {share:.1f} listed words per 10,000 (limit {LIMIT:g})\n")
        if share >= LIMIT or "--check" not in arguments:
            shown = (*by_pattern.most_common(SHOWN), *by_file.most_common(SHOWN))
            sys.stdout.writelines(f"  {number:5}  {text}\n" for text, number in shown)
    return int(failed and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

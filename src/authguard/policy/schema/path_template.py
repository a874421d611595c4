"""Path templates of operations and channels: parse one, or say which template a pattern of another syntax means."""

from __future__ import annotations

import re
from typing import Final

#: path segments: literals or single parameters, as the router distinguishes them; ``:path`` only at the end
PATTERN: Final = (
    r"(?:/(?:[^{}\s?#\\/]{0,200}|\{[A-Za-z_]\w{0,63}\})){0,100}"
    r"(?:/(?:[^{}\s?#\\/]{0,200}|\{[A-Za-z_]\w{0,63}(?::path)?\}))"
)
_MAX_CHARS: Final = 200
#: segments in the syntax of other routers; the group is the parameter's name
_PARAMETERS: Final = (
    re.compile(r":([A-Za-z_]\w*)[?+*]?"),  # Express, Rails
    re.compile(r"<(?:[a-z]+(?:\([^)]*\))?:)?([A-Za-z_]\w*)>"),  # Flask, Werkzeug
    re.compile(r"\$\{?([A-Za-z_]\w*)\}?"),  # templates of shells
    re.compile(r"\{([A-Za-z_][\w-]*)(?::[^}]*)?[?]?\}"),  # Starlette's converters, OpenAPI, ASP.NET
    re.compile(r"\(\?P<([A-Za-z_]\w*)>.*\)"),  # regular expressions
)
#: characters that no path has unescaped (RFC 3986 3.3), and globs
_PATTERN_SIGNS: Final = re.compile(r"[*<>\[\]^|\"`\\]|\(\?|\.\+|\)\?|\(\.|(?<=.)\$$|^:[A-Za-z_]")


def parse_template(typed: object) -> str:
    """Parse ``/orders/{order_id}/refund`` or ``/files/{rest:path}``.

    Raises:
        ValueError: the value is no template; the advice is the template that a pattern most likely means.
    """
    text = typed if isinstance(typed, str) else ""
    if re.fullmatch(PATTERN, text, re.ASCII) and not any(map(_PATTERN_SIGNS.search, text.split("/"))):
        return text
    raise ValueError(_advise(text[:_MAX_CHARS]))


def _advise(typed: str) -> str:
    example = "write a path such as `/orders/{order_id}/refund`"
    path = re.sub(r"^(?:[a-z]+:)?//[^/]*", "", typed.strip().removeprefix("^").removesuffix("$"))
    path = path if _PATTERN_SIGNS.search(path) else re.sub(r"[?#][^{}]*$", "", path)
    segments = re.sub(r"\\([/.-])", r"\1", path).lstrip("/").split("/")
    shown = ""
    for index, segment in enumerate(segments):
        shown += f"/{_translate(segment, index, is_last=index == len(segments) - 1)}"
    if shown == typed or not typed or not re.fullmatch(PATTERN, shown, re.ASCII):
        return example
    if "://" in typed:
        return f"write the path only, `{shown}`; the host belongs into `hosts`"
    if "?" in typed and typed.startswith(f"{shown}?"):
        return f"write `{shown}`: an operation is matched by its path, never by its query"
    return (
        f"write `{shown}`: a template has literal segments, `{{name}}` for one segment and `{{rest:path}}` at the end"
    )


def _translate(segment: str, index: int, *, is_last: bool) -> str:
    """Return the segment of a template for one of another syntax; a literal one unchanged."""
    for pattern in _PARAMETERS:
        if found := pattern.fullmatch(segment):
            takes_rest = is_last and ("path" in segment.partition(found[1])[0] or segment.endswith((":path}", "*")))
            name = found[1].replace("-", "_")
            return f"{{{name}:path}}" if takes_rest else f"{{{name}}}"
    if not _PATTERN_SIGNS.search(segment):
        return segment
    if is_last and segment in {"*", "**", ".*", ".+", "(.*)", "(.+)"}:
        return "{rest:path}"
    return f"{{part{index}}}"

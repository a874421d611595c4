"""The time zone of the person at the terminal: that of TZ, or else of the machine's `/etc/localtime`, or else UTC."""

from __future__ import annotations

import os
import struct
from datetime import UTC
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.file_access import open_regular

if TYPE_CHECKING:
    from datetime import tzinfo

#: file of the machine's zone (tzfile(5))
LOCALTIME: Final = Path("/etc/localtime")
#: folder of a path after which the zone's name follows
_FOLDER: Final = "/zoneinfo/"
#: most bytes of a zone's file that are read; the largest zone has 4 KB
MAX_ZONE_BYTES: Final = 1 << 18
#: errors of a file that is cut, is no zone, or cannot be read
_UNREADABLE: Final = (OSError, ValueError, EOFError, IndexError, struct.error)
_UTC_NAMES: Final = frozenset(
    {"", "UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal", "GMT", "Etc/GMT"}
)


def local_zone() -> tzinfo:
    """Return the zone of TZ, of `/etc/localtime`, or UTC; an unknown TZ means UTC, as for the C library (tzset(3))."""
    return _read_zone(os.environ.get("TZ"))


@lru_cache(maxsize=4)
def _read_zone(setting: str | None) -> tzinfo:
    if setting is None:
        return _read_file(LOCALTIME)
    name = setting.removeprefix(":")
    if name in _UTC_NAMES:
        return UTC
    if name.startswith("/"):
        return _read_file(Path(name))
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most servers run in UTC

    try:
        return ZoneInfo(name)
    except (KeyError, *_UNREADABLE):
        return _parse_rule(name)


def _read_file(path: Path) -> tzinfo:
    """Read a zone's file; UTC if it cannot be read."""
    try:
        name = str(path.resolve()).partition(_FOLDER)[2]
        if name in _UTC_NAMES - {""}:
            return UTC
        from zoneinfo import ZoneInfo  # noqa: PLC0415 - most servers run in UTC

        with open_regular(path) as file:
            content = BytesIO(file.read(MAX_ZONE_BYTES))
        return ZoneInfo.from_file(content, key=name or "this machine's time zone")
    except _UNREADABLE:
        return UTC


def _parse_rule(rule: str) -> tzinfo:
    """Parse a rule such as `CET-1CEST,M3.5.0,M10.5.0/3` (RFC 9636, section 3.3); UTC if it is none."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - most servers run in UTC

    head = b"TZif2" + bytes(15) + b"".join(count.to_bytes(4, "big") for count in (0, 0, 0, 0, 1, 4))
    part = head + bytes(6) + b"UTC\0"
    try:
        return ZoneInfo.from_file(BytesIO(part + part + b"\n" + rule.encode("ascii") + b"\n"), key=rule)
    except _UNREADABLE:
        return UTC

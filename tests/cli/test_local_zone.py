"""The zone of the person at the terminal, and times as the commands show them."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from authguard.cli import local_zone as module
from authguard.cli.local_zone import local_zone
from authguard.cli.terminal import format_time, format_time_ms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AT = datetime(2026, 11, 30, 13, 3, 11, 987_000, tzinfo=UTC).timestamp()
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    module._read_zone.cache_clear()
    yield
    module._read_zone.cache_clear()


@pytest.mark.parametrize(
    ("setting", "name", "hours"),
    [
        ("", "UTC", 0),
        ("UTC", "UTC", 0),
        ("Europe/Berlin", "Europe/Berlin", 1),
        (":Asia/Tokyo", "Asia/Tokyo", 9),
        ("CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3", 1),
        ("EST5", "EST5", -5),
        ("rubbish", "UTC", 0),
        ("../../etc/passwd", "UTC", 0),
        ("/etc/passwd", "UTC", 0),
        ("/nothing/here", "UTC", 0),
        ("Nowhere/Land", "UTC", 0),
        ("\u00fc", "UTC", 0),
    ],
)
def test_the_zone_is_that_of_the_variable(monkeypatch: pytest.MonkeyPatch, setting: str, name: str, hours: int) -> None:
    monkeypatch.setenv("TZ", setting)
    zone = local_zone()
    assert str(zone) == name
    assert datetime.fromtimestamp(AT, zone).utcoffset() == timedelta(hours=hours)


def test_without_the_variable_it_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "zoneinfo" / "Africa"
    folder.mkdir(parents=True)
    rule = b"\nEAT-3\n"
    part = b"TZif2" + bytes(15) + b"".join(n.to_bytes(4, "big") for n in (0, 0, 0, 0, 1, 4)) + bytes(6) + b"UTC\0"
    (folder / "Nairobi").write_bytes(part + part + rule)
    link = tmp_path / "localtime"
    link.symlink_to(folder / "Nairobi")
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(module, "LOCALTIME", link)
    zone = local_zone()
    assert str(zone) == "Africa/Nairobi"
    assert datetime.fromtimestamp(AT, zone).utcoffset() == timedelta(hours=3)


def test_a_machine_without_a_zone_or_with_utc_is_in_utc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TZ", raising=False)
    monkeypatch.setattr(module, "LOCALTIME", tmp_path / "localtime")
    assert local_zone() is UTC
    module._read_zone.cache_clear()
    (tmp_path / "zoneinfo").mkdir()
    (tmp_path / "localtime").symlink_to(tmp_path / "zoneinfo" / "UTC")
    assert local_zone() is UTC


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        (UTC, "2026-11-30 13:03:11Z"),
        (BERLIN, "2026-11-30 14:03:11 +01:00 (13:03:11Z)"),
        (ZoneInfo("Pacific/Auckland"), "2026-12-01 02:03:11 +13:00 (2026-11-30 13:03:11Z)"),
        (ZoneInfo("America/St_Johns"), "2026-11-30 09:33:11 -03:30 (13:03:11Z)"),
        (ZoneInfo("Europe/London"), "2026-11-30 13:03:11Z"),
        (timezone(timedelta(hours=-14)), "2026-11-29 23:03:11 -14:00 (2026-11-30 13:03:11Z)"),
    ],
)
def test_a_time_is_shown_in_the_zone_of_the_person_with_utc_at_hand(zone: tzinfo, shown: str) -> None:
    assert format_time(AT, zone) == shown


def test_a_time_with_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert format_time_ms(AT) == "2026-11-30 14:03:11.987 +01:00 (13:03:11.987Z)"
    assert format_time(AT, UTC, ms=True) == "2026-11-30 13:03:11.987Z"


def test_the_same_hour_twice_is_told_apart() -> None:
    assert format_time(1_792_888_200, BERLIN) == "2026-10-25 02:30:00 +02:00 (00:30:00Z)"
    assert format_time(1_792_891_800, BERLIN) == "2026-10-25 02:30:00 +01:00 (01:30:00Z)"


@pytest.mark.parametrize("at", ["soon", None, float("inf"), float("nan"), 1e300, -1e300])
def test_what_is_no_time_is_shown_as_none(at: object) -> None:
    assert format_time(at, BERLIN) == "(no time)"


def test_zero_is_the_beginning() -> None:
    assert format_time(0.0, BERLIN) == "the beginning"


@pytest.mark.parametrize("content", [b"", b"TZif", b"TZif2", b"TZif2" + b"\xff" * 60, bytes(50)])
def test_a_damaged_file_of_a_zone_means_utc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "zone").write_bytes(content)
    monkeypatch.setenv("TZ", str(tmp_path / "zone"))
    assert str(local_zone()) == "UTC"


def test_a_pipe_as_a_zone_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "zone")
    monkeypatch.setenv("TZ", str(tmp_path / "zone"))
    assert str(local_zone()) == "UTC"

"""Lengths of time for a person: `45s`, `12m`, `3h 5m`, `2d 4h`."""

from __future__ import annotations

from math import isfinite


def format_span(seconds: float) -> str:
    """Format a length of time in its two largest units, rounded down; empty if it is infinite."""
    if not isfinite(seconds):
        return ""
    whole = max(int(seconds), 0)
    minutes, hours, days = whole // 60, whole // 3_600, whole // 86_400
    if days:
        return f"{days}d {hours % 24}h" if hours % 24 else f"{days}d"
    if hours:
        return f"{hours}h {minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{minutes}m" if minutes else f"{whole}s"


def format_ago(at: float, now: float) -> str:
    """Format a past time as its distance: `12m ago`; empty for none."""
    return f"{format_span(now - at)} ago" if at else ""


def format_until(at: float, now: float) -> str:
    """Format a time to come as its distance: `in 12m`; empty for never."""
    span = format_span(at - now)
    return f"in {span}" if span else ""

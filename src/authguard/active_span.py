"""Trace id of the active OpenTelemetry span.

Rule: this module never imports OpenTelemetry. Code that starts spans has imported it, so `sys.modules` contains it.
"""

from __future__ import annotations

import sys
from typing import Final

#: module of the OpenTelemetry API with the active span
_API: Final = "opentelemetry.trace"
_TRACE_ID_BITS: Final = 128


def is_loaded() -> bool:
    """Return whether the process has loaded the OpenTelemetry API."""
    return _API in sys.modules


def active_trace_id() -> str:
    """Return the trace id of the active span, 32 hexadecimal digits (W3C Trace Context 3.2.2.3); empty for none.

    Whatever OpenTelemetry raises, there is then no trace id: tracing must not refuse a request.
    """
    try:
        context = sys.modules[_API].get_current_span().get_span_context()
        found = context.trace_id
        return f"{found:032x}" if context.is_valid and 0 < found < 1 << _TRACE_ID_BITS else ""
    except Exception:  # noqa: BLE001 - the API is not loaded, is being loaded, or a plug-in of it is broken
        return ""

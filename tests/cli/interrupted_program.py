"""Interrupt a command while it works, as Ctrl-C does."""

from __future__ import annotations

import signal

from authguard.cli import main, policy_schema


def _interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


if __name__ == "__main__":
    policy_schema.print_schema = _interrupt  # type: ignore[assignment]  # a command without options
    main(["policy", "schema"])

"""Run a module as a process to which modes of files mean something, also where root runs the tests.

``python -m tests.support.without_privilege MODULE ARGUMENT...``: root keeps its files, but no longer passes over
the modes of files and folders (capabilities(7): CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER).
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

_PR_CAPBSET_DROP: Final = 24
_CAPABILITIES: Final = (1, 2, 3)


def main() -> None:
    """Drop the capabilities for the next program of this process, and become that program."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for capability in _CAPABILITIES:
            if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    os.execv(sys.executable, [sys.executable, "-W", "error", "-m", *sys.argv[1:]])  # noqa: S606 - this interpreter


if __name__ == "__main__":
    main()

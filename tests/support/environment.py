"""The environment that every test has, whatever the shell that started the run has set.

A developer's deployment, proxies and terminal reach neither the tests nor the processes that they start.
"""

from __future__ import annotations

import atexit
import os
import signal
import tempfile
import threading
from typing import Final

from authguard.environment import RENAMED

#: of a deployment, which a developer's shell may have set
DEPLOYMENT: Final = (
    "AUTHGUARD_ANCHORS",
    "AUTHGUARD_ANCHOR_TOKEN",
    "AUTHGUARD_AUDIT_LOG",
    "AUTHGUARD_ENCRYPTION_KEYS",
    "AUTHGUARD_POLICY",
    "AUTHGUARD_PROXIES",
    "AUTHGUARD_PSEUDONYM_KEY",
    "AUTHGUARD_PUBLIC_URL",
    "AUTHGUARD_SIGNING_KEY",
    "AUTHGUARD_STORE",
    "AUTHGUARD_TOKEN_CACHE_SIZE",
)
#: proxies would carry requests to loopback elsewhere; the others make Rich and Typer colour or wrap their output
_REMOVED: Final = (
    *(name for proxy in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY") for name in (proxy, proxy.lower())),
    "CLICOLOR_FORCE",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "PYTEST_ADDOPTS",
    "PY_COLORS",
    "TERMINAL_WIDTH",
    "TTY_COMPATIBLE",
)
_SET: Final = {"COLUMNS": "80", "LINES": "24", "NO_COLOR": "1", "TERM": "dumb", "TZ": "UTC"}


#: of this test run: no test reads or writes the user's cache
_CACHE: Final = "authguard-tests-cache-"


def isolate() -> None:
    """Remove and set the variables, for this process and those that it starts; an interrupt reaches those, too."""
    # a shell starts background commands with the signal ignored, and their children inherit that
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in (*_REMOVED, *DEPLOYMENT, *RENAMED):
        os.environ.pop(name, None)
    os.environ.update(_SET)
    if _CACHE not in os.environ.get("XDG_CACHE_HOME", ""):
        folder = tempfile.TemporaryDirectory(prefix=_CACHE)
        atexit.register(folder.cleanup)
        os.environ["XDG_CACHE_HOME"] = folder.name

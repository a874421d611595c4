"""The console script as a module, so that ``tests.support.without_privilege`` can run it."""

from __future__ import annotations

from authguard.cli import main

if __name__ == "__main__":
    main()

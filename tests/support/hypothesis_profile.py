"""Number of Hypothesis examples: `dev` during work, `ci` before landing, `soak` for long runs.

``HYPOTHESIS_PROFILE`` chooses; `make test` takes `dev`, `.ci/run` takes `ci`. No profile looks at the wall clock.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import settings

#: profile -> by what the number of examples of a test is multiplied
TIMES: Final = {"dev": 0.25, "ci": 1.0, "soak": 10.0}
#: examples of a test that names no number, as in Hypothesis itself
PLAIN: Final = 100
#: fewer examples than this try nothing
LEAST: Final = 10
NAME: Final = os.environ.get("HYPOTHESIS_PROFILE") or "dev"


def examples(number: int) -> int:
    """Return how many examples a test tries in this profile.

    Args:
        number: of them in `ci`.
    """
    return max(min(LEAST, number), int(number * TIMES[NAME]))


def choose() -> None:
    """Register the profiles and take the one that was asked for.

    Raises:
        ValueError: there is no such profile.
    """
    if NAME not in TIMES:
        raise ValueError(f"HYPOTHESIS_PROFILE is {NAME!r}; it is one of {', '.join(TIMES)}")
    for name, times in TIMES.items():
        settings.register_profile(name, max_examples=int(PLAIN * times), deadline=None)
    settings.load_profile(NAME)

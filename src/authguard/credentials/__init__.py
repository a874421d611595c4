"""Is the credential good? PyJWT, key sets and discovery; only this folder imports ``jwt``.

Rules of this folder:
- What an attacker sent is bounded before anything is computed from it, and never moves anything but this request.
- The answer is closed: `Proven` or one of four ways of not being so. An outage is `unproven`, never `rejected`.
- No token, claim or secret is in a message, an exception that leaves, or a ``repr``; time is given, never read.
"""

"""A policy as one self-contained HTML page: filterable decisions, machines, invariants, and the deployment.

Rules of this file:
- Text of a policy passes `escape_whole`, and is inserted only as text or in a quoted attribute.
- The page makes no requests: its Content-Security-Policy allows only its inline style and script, by hash.
"""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Final

from authguard.policy.render.html_document import escape_whole, load_style, render_document
from authguard.policy.render.page import decisions, deployment, machines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from authguard.core.policy import Policy
    from authguard.policy.draft import Invariant

_HERE: Final = Path(__file__).parent


def render_page(policy: Policy, invariants: Sequence[Invariant] = ()) -> str:
    """Render the page of a policy.

    Args:
        policy: compiled policy.
        invariants: properties that its checks proved.

    Returns:
        A complete HTML document, which works from a file and from a server.
    """
    parts = (
        ("decisions", "Decisions", decisions.render_decisions(policy)),
        ("machines", "Machines", machines.render_machines(policy)),
        ("invariants", "Invariants", machines.render_invariants(policy, invariants)),
        ("fallbacks", "Fallbacks", deployment.render_fallbacks(policy)),
        (
            "operations",
            "Operations and limits",
            deployment.render_operations(policy) + deployment.render_bounds(policy),
        ),
        ("issuers", "Issuers", deployment.render_issuers(policy)),
        ("accounts", "Account map", deployment.render_accounts(policy)),
        ("proofs", "Proofs of identity", deployment.render_proofs(policy)),
        ("timers", "Timers", machines.render_timers(policy)),
    )
    cells = prod(map(len, policy.table.values.values()))
    header = (
        f'<p class="lead">{len(policy.table.rules):,} rules decide all {cells:,} cells.'
        f" {len(invariants):,} invariants are proved.</p>"
        f'<p class="quiet digest">digest <span class="m">{escape_whole(policy.digest)}</span></p>'
    )
    script = _HERE.joinpath("filter.js").read_text("utf-8")
    look = load_style() + _HERE.joinpath("policy.css").read_text("utf-8")
    return render_document(f"Policy {policy.name}", header=header, sections=parts, look=look, script=script)

"""Two issuers, two people of one name, one client: what the attacks on identity share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.testing import Mint

if TYPE_CHECKING:
    from tests.attacks.harness import Site

PARTNER: Final = "https://partner.test"
#: a policy with two issuers; `{operations}` and `{more}` are the attack's
TWO: Final = """\
authguard: 1
name: attacked
extends: standard
issuers:
  - {{issuer: https://issuer.test, audience: https://agent.test, algorithms: [ES256], keys: {{file: keys.json}}}}
  - {{issuer: https://partner.test, audience: https://agent.test, algorithms: [ES256], keys: {{file: partner.json}}}}
accounts: none
budget: {{request: 60s}}
operations:
{operations}
otherwise: {{risk: sensitive, effect: write}}
assurance: {{order: [aal1, aal2]}}
identity: {{credential: aal2}}
fallbacks:
  prove_identity: {{kind: handoff, queue: identity}}
  prove_otherwise: {{kind: handoff, queue: identity}}
{more}"""
#: the spelling of a checkout that believes the roles of each issuer
STAFF: Final = "staff: {claim: roles, issuer: https://issuer.test}\n"


def two_issuers(site: Site, operations: str, more: str = "", old: str | None = None) -> Mint:
    """Write a policy with two issuers, and return the second issuer's mint.

    Args:
        site: of the attack.
        operations: lines of the policy.
        more: further keys, in the newest spelling.
        old: the same in the older one, where it differs.
    """
    partner = Mint.create(site.clock, issuer=PARTNER)
    site.write_keys("partner.json", partner)
    older = more if old is None else old
    site.policy_of(
        TWO.format(operations=operations, more=STAFF + more if "staff:" not in more else more),
        TWO.format(operations=operations, more=older),
    )
    return partner


def token_of(mint: Mint, sub: str, **claims: Any) -> str:
    """Sign a token for somebody who came by the one client that all of them use."""
    return mint.mint(
        **({"sub": sub, "scope": "chat pay", "acr": "aal2", "sid": f"sid-{sub}", "client_id": "app"} | claims)
    )

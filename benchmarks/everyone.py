"""All peers, including those with separate packages: only `make bench` imports this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from benchmarks.frameworks import authlib_validator, casbin_enforced, fastmcp_chain
from benchmarks.measure import own_peers
from benchmarks.users import fastapi_users
from benchmarks.warm import public_key

if TYPE_CHECKING:
    from benchmarks.world import App, World


def all_peers(world: World) -> dict[str, App]:
    """Return every peer by name."""
    pem = world.mint.keys["ES256"].public_pem().decode("ascii")
    return own_peers(world, orjson.dumps) | {
        "FastMCP": fastmcp_chain(pem),
        "fastapi-users": fastapi_users(pem),
        "Authlib": authlib_validator(world.mint.jwks("ES256")),
        "pycasbin": casbin_enforced(public_key(world)),
    }

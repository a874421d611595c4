"""Test support: a fake clock, an issuer of tokens in the shapes of providers, forgeries and an identity provider."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from authguard.testing.clock import FakeClock
    from authguard.testing.dpop import DpopClient
    from authguard.testing.forgery import Forgery, forge
    from authguard.testing.keys import SigningKey
    from authguard.testing.mint import Mint
    from authguard.testing.process import IdentityProvider
    from authguard.testing.shape import list_shapes, load_shape
    from authguard.testing.sign_in import IdentityProviderError, RefreshRefusedError, SignIn

__all__ = [
    "DpopClient",
    "FakeClock",
    "Forgery",
    "IdentityProvider",
    "IdentityProviderError",
    "Mint",
    "RefreshRefusedError",
    "SignIn",
    "SigningKey",
    "forge",
    "list_shapes",
    "load_shape",
]

_MODULES = {
    "DpopClient": "dpop",
    "FakeClock": "clock",
    "Forgery": "forgery",
    "IdentityProvider": "process",
    "IdentityProviderError": "sign_in",
    "Mint": "mint",
    "RefreshRefusedError": "sign_in",
    "SignIn": "sign_in",
    "SigningKey": "keys",
    "forge": "forgery",
    "list_shapes": "shape",
    "load_shape": "shape",
}


def __getattr__(name: str) -> object:
    """Load a public name on first access (PEP 562): pytest imports this package at every start."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

"""Settings of an issuer are declared once: the policy's model and the compiled issuer have them from one class."""

from __future__ import annotations

from authguard.core.deployment import Introspection, Issuer
from authguard.core.issuer_settings import ClaimSources, IntrospectionSettings, IssuerSettings
from authguard.policy.schema import issuer as model


def test_the_model_and_the_compiled_value_share_one_declaration() -> None:
    assert issubclass(Issuer, IssuerSettings)
    assert issubclass(model.Issuer, IssuerSettings)
    assert issubclass(Introspection, IntrospectionSettings)
    assert issubclass(model.Introspection, IntrospectionSettings)


def test_the_defaults_are_those_of_the_specifications() -> None:
    issuer = Issuer(issuer="https://idp.test", audience=("app",), algorithms=("ES256",))
    assert (issuer.leeway, issuer.max_lifetime, issuer.type) == (30.0, 3_600.0, "at+jwt")
    assert issuer.claims == ClaimSources(subject=("sub",), acr=("acr",), session=("sid",))

"""Token shapes of identity providers, from their public documentation: templates of headers and claims.

A shape file of `testing/shapes` has the kinds of token of one provider. In its templates, `{name}` stands for a value
of `ShapeValues`, and `{name+N}` or `{name-N}` for a time N seconds later or earlier. A text that is only a placeholder
becomes the value itself, with its type; a placeholder without a value removes the claim.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.problem import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_FOLDER: Final = Path(__file__).parent / "shapes"
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)([+-][0-9]{1,9})?\}")


def _random_id() -> str:
    return secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeValues:
    """The values of the placeholders in a shape.

    Attributes:
        issuer: the `iss` of the token.
        audience: the API that the token is for; a text or a list.
        subject: the person, or the id of the machine.
        client: the OAuth client.
        scope: granted scopes, separated by blanks.
        session: session id of the provider; None for a token without one.
        now: time of issue, epoch seconds UTC.
        signed_in: seconds from the sign-in to `now`; None for a token without the time of its sign-in.
        lifetime: seconds from `now` to `exp`; None for the provider's default.
        kid: id of the signing key.
        new_id: source of the ids of tokens; each `{id}` is another one.
    """

    issuer: str
    audience: str | Sequence[str]
    subject: str = "customer-1"
    client: str = "app-1"
    scope: str = "chat"
    session: str | None = "S"
    now: int
    signed_in: float | None = 0.0
    lifetime: float | None = None
    kid: str = ""
    new_id: Callable[[], str] = _random_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenShape:
    """One kind of token of a provider.

    Attributes:
        header: template of the JOSE header.
        claims: template of the claims.
        strong: template of the claims that a step-up adds or replaces; empty if a step-up leaves no trace in the token.
        lifetime: the provider's default lifetime in seconds.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    strong: Mapping[str, Any]
    lifetime: int

    def fill(self, values: ShapeValues, *, strong: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the header and the claims of a token.

        Args:
            values: for the placeholders.
            strong: whether the person passed the provider's step-up.

        Raises:
            ValueError: the shape has no claims for a step-up.
        """
        if strong and not self.strong:
            raise ValueError("a step-up leaves no trace in this kind of token")
        known = _placeholder_values(values, self.lifetime)
        template = {**self.claims, **(self.strong if strong else {})}
        return _fill(self.header, known), _fill(template, known)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderShape:
    """The tokens of one identity provider, from its documentation, not captured.

    Attributes:
        name: name of the shape file.
        title: name of the provider.
        date: day on which the documentation was read.
        sources: addresses of the documentation.
        issuer: an issuer as the provider writes it.
        audience: an audience as the provider writes it.
        kinds: `access` is what clients send to an API, `id` an ID token, `machine` a token without a person; further
            names are variants. At providers whose APIs take the ID token, `access` and `id` are the same.
    """

    name: str
    title: str
    date: str
    sources: tuple[str, ...]
    issuer: str
    audience: str
    kinds: Mapping[str, TokenShape]

    def kind(self, name: str) -> TokenShape:
        """Return one kind of token.

        Raises:
            ValueError: the provider's documentation describes no such kind.
        """
        if name not in self.kinds:
            raise ValueError(f"there is no kind `{name}` of {self.name}; {did_you_mean(name, tuple(self.kinds))}")
        return self.kinds[name]


def list_shapes() -> tuple[str, ...]:
    """Return the names of the providers with a shape, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


@cache
def load_shape(name: str) -> ProviderShape:
    """Return the shape of a provider.

    Raises:
        ValueError: there is no shape of this name.
    """
    if name not in list_shapes():
        raise ValueError(f"there is no provider `{name}`; {did_you_mean(name, list_shapes())}")
    path = _FOLDER / f"{name}.yaml"
    plain = parse_yaml(path.read_bytes(), path.name).tree.to_plain()
    kinds: dict[str, TokenShape] = {}
    for kind, template in plain["kinds"].items():
        # a text names another kind of the file that is the same token
        kinds[kind] = kinds[template] if isinstance(template, str) else _token_shape(template, kinds)
    return ProviderShape(
        name=name,
        title=plain["title"],
        date=plain["date"],
        sources=tuple(plain["sources"]),
        issuer=plain["issuer"],
        audience=plain["audience"],
        kinds=kinds,
    )


def _token_shape(template: Mapping[str, Any], kinds: Mapping[str, TokenShape]) -> TokenShape:
    """Build a kind from its template; `like` names the kind whose parts it changes, and `without` removes claims."""
    base = kinds.get(template.get("like", ""))
    before = base.claims if base else {}
    claims = {**before, **template.get("claims", {})}
    for name in template.get("without", ()):
        del claims[name]
    return TokenShape(
        header=template.get("header", base.header if base else {}),
        claims=claims,
        strong=template.get("strong", base.strong if base else {}),
        lifetime=template.get("lifetime", base.lifetime if base else 0),
    )


def _placeholder_values(values: ShapeValues, lifetime: int) -> dict[str, Any]:
    """Return the value, or the source of values, by the name of a placeholder."""
    known = {field.name: getattr(values, field.name) for field in fields(values)}
    signed_in = values.signed_in
    return known | {
        "id": values.new_id,
        "scopes": values.scope.split(),
        "exp": values.now + int(lifetime if values.lifetime is None else values.lifetime),
        "auth_time": None if signed_in is None else values.now - int(signed_in),
    }


def _fill(template: Any, known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Replace the placeholders of a template; `None` if one of them has no value."""
    if isinstance(template, dict):
        filled = {key: _fill(value, known) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [value for value in (_fill(item, known) for item in template) if value is not None]
    if not isinstance(template, str):
        return template
    found = list(_PLACEHOLDER.finditer(template))
    replaced = [_value(match, known) for match in found]
    if None in replaced:
        return None
    if len(found) == 1 and found[0][0] == template:
        return replaced[0]
    parts = iter(replaced)
    return _PLACEHOLDER.sub(lambda _: str(next(parts)), template)


def _value(match: re.Match[str], known: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of one placeholder, with its offset.

    Raises:
        KeyError: there is no placeholder of this name.
    """
    name, offset = match[1], match[2]
    value = known[name]
    if callable(value):
        return value()
    return value + int(offset) if offset and value is not None else value

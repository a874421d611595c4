"""Reader of an OpenAPI document (3.x, JSON or YAML): its endpoints with the scopes that they require; bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authguard.errors import SettingsError
from authguard.formats.strict_json import TooComplexError, parse_object
from authguard.policy.loading.yaml_parser import parse_yaml
from authguard.policy.operation_proposal import Described

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_DOCUMENT_BYTES: Final = 4_194_304
MAX_DOCUMENT_NODES: Final = 200_000
METHODS: Final = ("get", "put", "post", "delete", "options", "head", "patch", "query")
#: types of security schemes with scopes (OpenAPI 3.1, 4.8.27)
_SCOPED: Final = frozenset({"oauth2", "openIdConnect"})
#: strictness of a policy that a document need not have: none of these values is one that is read
_TOLERATED: Final = frozenset({"ambiguous-boolean", "ambiguous-number", "blank", "tag"})
_ADVICE: Final = "name an OpenAPI 3 document with `paths`, as JSON or YAML"


def read_openapi(path: Path) -> tuple[Described, ...]:
    """Return the endpoints of an OpenAPI document.

    Args:
        path: of the document.

    Raises:
        SettingsError: the file cannot be read, is too large, or is no such document.
    """
    document = _parse(path, _read(path))
    paths = document.get("paths")
    if not isinstance(paths, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise SettingsError(f"`{path}` is no OpenAPI 3 document; {_ADVICE}")
    return tuple(_iter_endpoints(document, paths))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SettingsError(f"`{path}` cannot be read: {reason}; {_ADVICE}") from None
    if len(content) > MAX_DOCUMENT_BYTES:
        raise SettingsError(f"`{path}` is larger than 4 MiB; {_ADVICE}")
    return content


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    if content.lstrip().startswith(b"{"):
        try:
            return parse_object(content, nodes=MAX_DOCUMENT_NODES)
        except TooComplexError:
            raise SettingsError(f"`{path}` has more than {MAX_DOCUMENT_NODES:,} values; {_ADVICE}") from None
        except ValueError:
            raise SettingsError(f"`{path}` is not valid JSON; {_ADVICE}") from None
    parsed = parse_yaml(content, path.name, MAX_DOCUMENT_NODES)
    problem = next((one for one in parsed.problems if one.code not in _TOLERATED), None)
    if problem is not None:
        said = problem.message.replace("a policy is", "a document is")
        raise SettingsError(f"`{path}` line {problem.place.line}: {said}; {_ADVICE}")
    plain = parsed.tree.to_plain()
    return plain if isinstance(plain, dict) else {}


def _iter_endpoints(document: dict[str, Any], paths: dict[str, Any]) -> Iterator[Described]:
    components = document.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, dict) else None
    scoped = {
        name
        for name, scheme in (schemes.items() if isinstance(schemes, dict) else ())
        if isinstance(scheme, dict) and scheme.get("type") in _SCOPED
    }
    for path, item in paths.items():
        for method in METHODS:
            operation = item.get(method) if isinstance(item, dict) else None
            if isinstance(operation, dict):
                required = operation.get("security", document.get("security"))
                named = operation.get("operationId")
                yield Described(
                    path=str(path),
                    method=method.upper(),
                    name=named if isinstance(named, str) else "",
                    scopes=_read_scopes(required, scoped),
                    is_open=required == [] or (isinstance(required, list) and {} in required),
                )


def _read_scopes(required: object, scoped: set[str]) -> tuple[str, ...]:
    """Return the scopes of the first alternative that has some; one alternative suffices for a request."""
    for alternative in required if isinstance(required, list) else ():
        if not isinstance(alternative, dict):
            continue
        listed = (one for name, scopes in alternative.items() if name in scoped for one in _texts(scopes))
        if found := tuple(dict.fromkeys(listed)):
            return found
    return ()


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()

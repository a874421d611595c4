"""Conversion of simple command-line values without pydantic, whose import takes a tenth of a second.

Typer from 0.24 on converts each value through pydantic. A value that is text, a number within its bounds, a path or
already of the right type needs none. Any other value is converted by Typer, which also reports it if it is wrong; a
wrong choice or number is reported here, with what to type. With a Typer that has no such conversion, nothing changes.
"""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin

import typer

#: member of a Typer parameter that holds its conversion once it is built
_CONVERSION: Final = "_runtime_param"
_PATH_CHECKS: Final = ("exists", "writable", "resolve_path", "allow_dash", "path_type", "executable")
_OWN_CONVERSIONS: Final = ("parser", "click_type")
#: marks a value that Typer converts
_UNKNOWN: Final = object()


class SimpleConversion:
    """Conversion of the values of one parameter.

    Args:
        parameter: parameter of Typer.
    """

    def __init__(self, parameter: Any) -> None:  # noqa: ANN401 - Typer's own type, which older versions lack
        self._parameter = parameter

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:  # noqa: ANN401 - as Typer's own conversion
        """Return a converted value; raise as Typer does if it is wrong."""
        try:
            converted = _convert(value, self._parameter)
        except ValueError as error:
            hint = max(self._parameter.opts, key=len) if self._parameter.param_type_name == "option" else None
            raise typer.BadParameter(str(error), ctx=ctx, param=param, param_hint=hint) from None
        if converted is not _UNKNOWN:
            return converted
        setattr(self._parameter, _CONVERSION, None)
        return self._parameter.get_runtime_param().coerce(value, param=param, ctx=ctx)


def _convert(value: object, parameter: Any) -> object:  # noqa: ANN401 - see above
    info = parameter.type_descriptor.parameter_info
    kind = _plain_type(parameter.type_descriptor.annotation)
    if any(getattr(info, name, None) for name in _OWN_CONVERSIONS):
        return _UNKNOWN
    if parameter.multiple or parameter.nargs == -1:
        return _convert_list(value, kind)
    if value is None:
        return None
    return _convert_one(value, kind, info)


def _convert_one(value: object, kind: Any, info: Any) -> object:  # noqa: ANN401 - see above
    if kind in {int, float}:
        return _convert_number(value, kind, info.min, info.max)
    if isinstance(kind, type) and issubclass(kind, StrEnum) and isinstance(value, str):
        return _convert_choice(value, kind)
    if kind is Path and isinstance(value, str):
        return _convert_path(value, info)
    return value if isinstance(kind, type) and isinstance(value, kind) else _UNKNOWN


def _convert_list(value: object, kind: object) -> object:
    if value is None:
        return ()
    is_text = get_origin(kind) is list and get_args(kind) == (str,)
    if isinstance(value, tuple | list) and (not value or (is_text and all(isinstance(one, str) for one in value))):
        return list(value)
    return _UNKNOWN


def _convert_path(value: str, info: Any) -> object:  # noqa: ANN401 - see above
    """Return a path whose checks are those of Typer by default: it is readable, or it is not there."""
    path = Path(value)
    is_default = not any(getattr(info, name, None) for name in _PATH_CHECKS) and info.file_okay and info.dir_okay
    return path if is_default and (os.access(path, os.R_OK) or not os.access(path, os.F_OK)) else _UNKNOWN


def _convert_choice(value: str, kind: type[StrEnum]) -> StrEnum:
    known = [one.value for one in kind]
    if value not in known:
        from authguard.policy.problem import did_you_mean  # noqa: PLC0415 - only a wrong value needs it

        raise ValueError(f"`{value}` is none of its values; {did_you_mean(value, known)}")
    return kind(value)


def _convert_number(value: object, kind: Any, least: float | None, most: float | None) -> object:  # noqa: ANN401 - see above
    """Return a number within its bounds; anything but text and numbers is converted by Typer."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return _UNKNOWN
    lower, upper = ("" if bound is None else f"{bound:g}" for bound in (least, most))
    bounds = f" from {lower} to {upper}" if lower and upper else f" of at least {lower}" if lower else ""
    advice = f"type a {'whole ' if kind is int else ''}number{bounds}"
    try:
        number = kind(value if not isinstance(value, str) or value.isascii() else "")
    except (ValueError, OverflowError):
        raise ValueError(f"`{value}` is no {'whole ' if kind is int else ''}number; {advice}") from None
    if not (least is None or number >= least) or not (most is None or number <= most):  # refuses `nan`
        raise ValueError(f"{number:g} is out of bounds; {advice}")
    return number


def _plain_type(annotation: Any) -> object:  # noqa: ANN401 - any annotation
    """Return the type of an annotation, without `None`."""
    if get_origin(annotation) in {Union, UnionType}:
        kinds = [one for one in get_args(annotation) if one is not NoneType]
        return kinds[0] if len(kinds) == 1 else annotation
    return annotation


def convert_simply(command: Any) -> Any:  # noqa: ANN401 - a command or group of Typer
    """Give all parameters of a command, or of the commands of a group, the simple conversion; return the command."""
    for parameter in command.get_params(typer.Context(command)):  # with `--help`, which `params` lacks
        if hasattr(parameter, _CONVERSION) and hasattr(parameter, "type_descriptor"):
            setattr(parameter, _CONVERSION, SimpleConversion(parameter))
    for one in getattr(command, "commands", {}).values():
        convert_simply(one)
    return command

"""Parts that a study names: functions at import paths, with their settings in their signatures.

The settings of a part are its parameters that have a default, and those after ``*``. They are a
section of pydantic's, made from the signature, so each is declared once, where it is used.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import warnings
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from stages.catalogue.kinds import Kind, bounded, kind_of
from stages.machine.errors import UserError, nearest, shown

CARRY = "carry"  # a selector that has this parameter is given what the last round handed on
ROLES = ("learner", "scorer", "selector")
ANYTHING = {"", "Any", "object", "ndarray", "NDArray"}  # annotations that say too little to refuse
_known: weakref.WeakKeyDictionary[Any, Section] = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Section:
    """The settings of a part.

    Attributes:
        model: checks them.
        kinds: what each may be.
        defaults: of those that have one.
    """

    model: type[BaseModel]
    kinds: dict[str, Kind]
    defaults: dict[str, Any]


def load(path: str) -> Any:
    """What ``module:attribute`` names.

    Raises:
        UserError: the module or the attribute does not exist, or importing it fails.
    """
    module, _, attribute = path.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), attribute]):
        raise UserError(f"{shown(path)} is not an import path; allowed: 'module:name'")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name and not module.startswith(error.name):
            raise UserError(
                f"{shown(path)} needs the package {error.name!r}, which is not installed"
            ) from None
        raise UserError(f"{shown(path)}: there is no module {shown(module)}") from None
    except AttributeError as error:
        if module in sys.modules:
            raise UserError(f"{shown(path)}: {shown(module)} has no {shown(attribute)}") from None
        raise UserError(f"{shown(path)}: importing {shown(module)} fails: {error}") from None
    except (Exception, SystemExit) as error:  # it is a user's own code that runs
        kind = type(error).__name__
        raise UserError(
            f"{shown(path)}: importing {shown(module)} fails: {kind}: {error}"
        ) from None


def section(path: str) -> Section:
    """The settings of the function at ``path``.

    Raises:
        UserError: it cannot be loaded, is no function, or has a setting of no known kind.
    """
    function = load(path)
    if not callable(function):
        raise UserError(f"{shown(path)} is a {type(function).__name__}, not a function")
    try:
        if function not in _known:
            _known[function] = _section(function)
        return _known[function]
    except Exception as error:  # a user's own annotations are evaluated
        raise UserError(f"{shown(path)}: its settings cannot be read: {error}") from None


def _section(function: Callable[..., Any]) -> Section:
    names = _globals_of(function)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        free = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        required = parameter.default is parameter.empty
        if free or name == CARRY or (required and parameter.kind != parameter.KEYWORD_ONLY):
            continue
        annotation = parameter.annotation
        if annotation is parameter.empty and required:
            raise TypeError(f"{name!r} has neither an annotation nor a default")
        if annotation is parameter.empty:
            annotation = type(parameter.default)
        elif isinstance(annotation, str):
            annotation = eval(annotation, names)
        fields[name] = (bounded(annotation), ... if required else parameter.default)
    return Section(
        _model(getattr(function, "__name__", "part"), fields),
        {name: kind_of(annotation) for name, (annotation, _) in fields.items()},
        {name: default for name, (_, default) in fields.items() if default is not ...},
    )


def _model(name: str, fields: dict[str, Any]) -> type[BaseModel]:
    config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=()
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a setting may be called `copy` or `schema`
        return create_model(name, __config__=config, **fields)


def _globals_of(function: Any) -> dict[str, Any]:
    """What the annotations of a function, or of an object that can be called, may name."""
    while isinstance(function := inspect.unwrap(function), functools.partial):
        function = function.func
    if not hasattr(function, "__globals__"):
        function = type(function).__call__
    return getattr(function, "__globals__", {})


def check(
    where: str, path: str, given: dict[str, Any], names: Mapping[str, str] = MappingProxyType({})
) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of a part, those given and the defaults of all others; and what is wrong.

    Args:
        where: what stands before a setting's name in a message.
        names: what a message calls a setting, where that is another name than the part's.

    Returns:
        Values by name (none if anything is wrong), and a line for each key that is wrong: unknown,
        missing, of another kind, out of bounds.
    """
    part = section(path)
    # False and 0.0 equal 0, so pydantic lets them pass for Literal[0].
    other = {int: (bool, float), float: bool}
    wrong = {
        key
        for key, kind in part.kinds.items()
        if kind.base in other and isinstance(given.get(key), other[kind.base])
    }
    try:
        values = dict(part.model.model_validate(given))
    except ValidationError as error:
        wrong |= {str(fault["loc"][0]) for fault in error.errors(include_url=False)}
    if not wrong:
        return values, {}
    lines = {}
    for key in dict.fromkeys([*given, *part.kinds]):
        place = f"{where}.{names.get(key, key)}"
        if key not in part.kinds:
            lines[key] = f"{where}: unknown key {shown(key)}; {nearest(key, part.kinds)}"
        elif key in wrong and key not in given:
            lines[key] = f"{place} is missing"
        elif key in wrong:
            default = part.defaults.get(key)
            lines[key] = part.kinds[key].fault(place, given[key], default)
    return {}, lines


def checked(where: str, path: str, given: dict[str, Any]) -> dict[str, Any]:
    """The values of :func:`check`.

    Raises:
        UserError: all that is wrong.
    """
    values, wrong = check(where, path, given)
    if wrong:
        raise UserError(*wrong.values())
    return values


def allows(annotation: Any, value: Any) -> bool:
    """Whether an annotation allows a value."""
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def bind(path: str, settings: dict[str, Any], role: str = "") -> Callable[..., Any]:
    """The function at ``path`` with its part of ``settings``, by name or by ``role.name``."""
    own = {}
    for name in section(path).kinds:
        if f"{role}.{name}" in settings:
            own[name] = settings[f"{role}.{name}"]
        elif name in settings:
            own[name] = settings[name]
    return functools.partial(load(path), **own)


def needs(*parts: str, dropout: bool | Callable[[dict[str, Any]], bool] = False) -> Callable:
    """Marks a scorer that asks for ``parts`` of what was learned, or that draws dropout masks.

    Args:
        parts: names in ``Learned.parts``.
        dropout: whether it draws masks, or a function of its settings that says so.
    """

    def mark(function: Any) -> Any:
        function.needs, function.draws_masks = parts, dropout
        return function

    return mark


def with_settings_of(source: Callable[..., Any]) -> Callable:
    """Marks a part whose ``**settings`` are those of ``source``, where alone they are declared.

    Those are its parameters that have a default.
    """
    shared = [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            annotation=eval(parameter.annotation, _globals_of(source)),
        )
        for parameter in inspect.signature(source).parameters.values()
        if parameter.default is not inspect.Parameter.empty
    ]

    def mark(function: Any) -> Any:
        signature = inspect.signature(function)
        own = list(signature.parameters.values())[:-1]  # the last one is **settings
        first = [one for one in own if one.kind != inspect.Parameter.KEYWORD_ONLY]
        named = [*first, *shared, *own[len(first) :]]
        function.__signature__ = signature.replace(parameters=named)
        return function

    return mark


def makes(*parts: str) -> Callable:
    """Marks a learner that gives these ``Learned.parts``."""

    def mark(function: Any) -> Any:
        function.makes = parts
        return function

    return mark


def repeatable(function: Any) -> Any:
    """Marks a learner that gives the task's network, no parts and no carry.

    It must be a function of the round and its settings alone. Its first model is then trained once
    for all strategies of a seed that use it.
    """
    function.repeatable = True
    return function


def is_repeatable(learner: str) -> bool:
    """Whether a learner is marked so."""
    return getattr(load(learner), "repeatable", False) is True


def continues(function: Any) -> Any:
    """Marks a learner that goes on from the last round's weights where a task asks for it."""
    function.continues = True
    return function


def validates(function: Any) -> Any:
    """Marks a learner that needs validation rows."""
    function.validates = True
    return function


def missing_parts(learner: str, scorer: str) -> list[str]:
    """Parts that a scorer needs and a learner does not make."""
    made = getattr(load(learner), "makes", ())
    return [part for part in getattr(load(scorer), "needs", ()) if part not in made]


def draws_masks(scorer: str, settings: dict[str, Any]) -> bool:
    """Whether a scorer with these settings draws dropout masks."""
    said = getattr(load(scorer), "draws_masks", False)
    return said(bind(scorer, settings, "scorer").keywords) if callable(said) else bool(said)


def fit_together(scorer: str, selector: str) -> bool:
    """Whether a selector takes what a scorer gives, by the names in their annotations.

    What has no annotation may be anything.
    """
    given = _names(inspect.signature(load(scorer)).return_annotation)
    first = next(iter(inspect.signature(load(selector)).parameters.values()), None)
    taken = _names(first.annotation if first else inspect.Signature.empty)
    return not given or not taken or bool(given & taken)


def _names(annotation: Any) -> set[str]:
    """``Scores | handshake.Attacked`` gives {"Scores", "Attacked"}; an array has lost its name."""
    if annotation is inspect.Signature.empty:
        return set()
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    names = {one.strip().partition("[")[0].rpartition(".")[2] for one in text.split("|")}
    return set() if names & ANYTHING else names

"""What a section of params.yaml is, and one whose keys depend on the name that stands in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from stages import catalogue
from stages.catalogue import augmentation, parts
from stages.catalogue.kinds import DATA_SET, MODEL, Kind
from stages.machine.errors import UserError, nearest

UNKNOWN = "extra_forbidden"  # pydantic's own name, and ours with the keys that are allowed
BAD_VALUE, BAD_NAME = "setting", "name"
SHA256 = r"^[0-9a-f]{64}$"
PRETRAINED = ("weights", "sha256")  # keys of a model


class Section(BaseModel):
    """A part of params.yaml: unknown keys and wrong types are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Named(Section):
    """A section whose ``name`` says what else may stand in it: the settings of a function.

    They are complete: what is not given has its default.
    """

    model_config = ConfigDict(extra="allow")
    known: ClassVar[Mapping[str, Any]]
    find: ClassVar[Callable[[str], Any]]

    name: str

    @property
    def entry(self) -> Any:
        """What ``name`` stands for."""
        return type(self).find(self.name)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the entry's function, complete."""
        return dict(self.__pydantic_extra__ or {})

    @model_validator(mode="wrap")
    @classmethod
    def _completed(cls, given: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(given, dict):
            return handler(given)
        own = {key: value for key, value in given.items() if key in cls.model_fields}
        others = {key: value for key, value in given.items() if key not in own}
        settings, faults = cls._settings(own, others)
        made = None
        try:
            made = handler(own | settings)
        except ValidationError as error:
            faults += [_as_detail(one) for one in error.errors(include_url=False)]
        if faults:
            raise ValidationError.from_exception_data(cls.__name__, faults)
        return made

    @property
    def inside(self) -> dict[str, Named]:
        """The sections among its settings, by key."""
        kinds, settings = parts.section(self.entry.function).kinds, self.settings
        return {
            key: kind(settings[key])
            for key in kinds
            if (kind := _kind_of(kinds[key])) is not None and settings[key] is not None
        }

    @classmethod
    def _settings(
        cls, own: dict[str, Any], given: dict[str, Any]
    ) -> tuple[dict[str, Any], list[InitErrorDetails]]:
        """The complete settings of the function, and what is wrong with them or with its name."""
        name = own.get("name")
        if "name" not in own:
            return {}, _unknown(given, cls._any_key())
        if not isinstance(name, str) or (":" not in name and name not in cls.known):
            return {}, [_detail(BAD_VALUE, ("name",), name, nearest(name, cls.known))]
        try:
            section = parts.section(cls.find(name).function)
        except UserError as error:
            return {}, [_detail(BAD_NAME, ("name",), name, str(error))]
        if taken := [key for key in section.kinds if key in cls.model_fields]:
            said = f"its function has a setting {taken[0]!r}, which is a key of every section"
            return {}, [_detail(BAD_NAME, ("name",), name, said)]
        faults = _unknown(given, [*cls.model_fields, *section.kinds])
        given = {key: value for key, value in given.items() if key in section.kinds}
        try:
            values = dict(section.model.model_validate(given))
            faults += _completed_inside(section, values)
            return values, faults
        except ValidationError as error:
            wrong = dict.fromkeys(str(one["loc"][0]) for one in error.errors(include_url=False))
        for key in wrong:
            if key not in given:
                faults.append(InitErrorDetails(type="missing", loc=(key,), input=given))
            else:
                said = section.kinds[key].allowed(given[key], section.defaults.get(key))
                faults.append(_detail(BAD_VALUE, (key,), given[key], said))
        return {}, faults

    @classmethod
    def _any_key(cls) -> list[str]:
        """The keys that are allowed under one of the known names."""
        functions = [entry.function for entry in cls.known.values()]
        return [
            *cls.model_fields,
            *(key for path in functions for key in parts.section(path).kinds),
        ]


class Dataset(Named):
    """Where the images come from (stage prepare): a name of the catalogue, or an import path."""

    known = catalogue.DATA_SETS
    find = staticmethod(catalogue.find_data_set)

    @property
    def public(self) -> bool:
        """Whether anybody can have the images: a data set of ours that needs no files of a user's.

        One's own (``module:name``) and whatever is read from a folder of one's own are private.
        """
        return self.name in catalogue.DATA_SETS and not self.entry.root

    # Folder of the files; None: where the data set's function looks. 4096: Linux's longest path.
    root: Annotated[str, Field(min_length=1, max_length=4096)] | None = None


class Model(Named):
    """The network: the name of an architecture, or an import path; and its settings."""

    known = catalogue.ARCHITECTURES
    find = staticmethod(catalogue.find_architecture)

    # Pre-trained ones: torchvision's name, or a file's path; and the file's SHA-256.
    weights: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    sha256: Annotated[str, Field(pattern=SHA256)] | None = None

    @model_serializer(mode="wrap")
    def _said(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Without pre-trained weights nothing is said about them."""
        given = handler(self).items()
        return {key: value for key, value in given if key not in PRETRAINED or value is not None}


def _kind_of(kind: Kind) -> Callable[[Any], Named] | None:
    """What makes a section of a setting; None for a setting that is none."""
    if DATA_SET in kind.markers:
        return Dataset.model_validate
    return Model.model_validate if MODEL in kind.markers else None


def _completed_inside(section: parts.Section, values: dict[str, Any]) -> list[InitErrorDetails]:
    """Complete the sections among ``values``, in place; gives what is wrong with them."""
    faults = []
    for key, kind in section.kinds.items():
        made = _kind_of(kind)
        if made is None or values[key] is None:
            continue
        try:
            values[key] = made(values[key]).model_dump(mode="json")
        except ValidationError as error:
            faults += [_as_detail(one, key) for one in error.errors(include_url=False)]
    return faults


def _augmentation(given: Any) -> Any:
    """A task's augmentation, complete."""
    try:
        return augmentation.complete(given)
    except UserError as error:
        raise PydanticCustomError(BAD_NAME, "{said}", {"said": str(error)}) from None


# The name of one, or a list of operations.
Augmentation = Annotated[Any, PlainValidator(_augmentation)]


def _unknown(given: dict[Any, Any], allowed: list[str]) -> list[InitErrorDetails]:
    keys = sorted(set(allowed))
    return [
        InitErrorDetails(
            type=PydanticCustomError(UNKNOWN, "unknown key", {"allowed": keys}),
            loc=(key if isinstance(key, str | int) else str(key),),
            input=value,
        )
        for key, value in given.items()
        if key not in keys
    ]


def _detail(kind: str, place: tuple[str, ...], value: Any, said: str) -> InitErrorDetails:
    told = PydanticCustomError(kind, "{said}", {"said": said})
    return InitErrorDetails(type=told, loc=place, input=value)


def _as_detail(fault: Any, *around: str) -> InitErrorDetails:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind in (UNKNOWN, BAD_VALUE, BAD_NAME) and ("said" in context or "allowed" in context):
        text = "{said}" if "said" in context else "unknown key"
        kind, context = PydanticCustomError(kind, text, context), {}
    return InitErrorDetails(
        type=kind, loc=(*around, *fault["loc"]), input=fault["input"], ctx=context
    )

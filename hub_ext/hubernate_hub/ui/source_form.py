"""What the form of a new source asks, read off the kinds' own models: a further kind has its form at once. Pure."""

from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from hubernate_core.source_place import Place

_LABELS = {
    "s3": "Object store (S3)",
    "http": "Web server",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB, MySQL",
    "hdfs": "HDFS",
    "hive": "Hive",
    "files": "Folder of the platform",
}
_NAMES = tuple[str, ...]
_KINDS = {int: "number", _NAMES: "list"}
_ONLY_PLATFORM = ("files",)
_WRITABLE = ("s3", "files")
_MODELS = {
    kind: model for model in get_args(get_args(Place)[0]) for kind in get_args(model.model_fields["kind"].annotation)
}


@dataclass(frozen=True)
class Field:
    """One input. `name` is its path in what is sent; `kind` is text, number, password, list
    (of names, commas between them), or choice among `choices`."""

    name: str
    label: str
    kind: str
    required: bool
    default: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceForm:
    """The form for one kind of place. `kinds`: name and label of those that this admin may register."""

    kind: str
    kinds: tuple[tuple[str, str], ...]
    place: tuple[Field, ...]
    credential: tuple[Field, ...]
    writable: bool


def source_form(kind: str, *, platform: bool) -> SourceForm:
    """The form for `kind`, or for the first one where there is no such kind; `platform`: for the platform's admins."""
    kinds = tuple((each, _LABELS.get(each, each)) for each in _MODELS if platform or each not in _ONLY_PLATFORM)
    kind = kind if kind in dict(kinds) else kinds[0][0]
    model = _MODELS[kind]
    return SourceForm(
        kind=kind,
        kinds=kinds,
        place=tuple(
            _field(name, about) for name, about in model.model_fields.items() if name != "kind" and _is_plain(about)
        ),
        credential=credential_fields(kind, "credential.values"),
        writable=kind in _WRITABLE,
    )


def credential_fields(kind: str, under: str) -> tuple[Field, ...]:
    """What opens a place of `kind`; a database always has a password."""
    required = kind in ("postgresql", "mariadb")
    names = sorted(_MODELS[kind].model_construct().needs)
    return tuple(Field(f"{under}.{name}", _label(name), "password", required=required) for name in names)


def _is_plain(about: Any) -> bool:
    return about.annotation in (str, int, _NAMES) or get_origin(about.annotation) is Literal


def _field(name: str, about: Any) -> Field:
    choices = get_args(about.annotation) if get_origin(about.annotation) is Literal else ()
    default = "" if about.is_required() or about.annotation == _NAMES else str(about.default)
    return Field(
        name=f"source.place.{name}",
        label=_label(name),
        kind="choice" if choices else _KINDS.get(about.annotation, "text"),
        required=about.is_required(),
        default=default,
        help=about.description or "",
        choices=choices,
    )


def _label(name: str) -> str:
    words = name.replace("_", " ")
    return words.upper() if words in ("url", "tls") else words[:1].upper() + words[1:]

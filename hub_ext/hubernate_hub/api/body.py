"""Bodies, read strictly once: bounded, no duplicate keys, no NaN, no unknown field, no coercion (B12, B13)."""

import difflib
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from hubernate_core.errors import InvalidInput, shorten

from .errors import TooLarge

BODY_MAX = 1024 * 1024
BODIES: set[type[BaseModel]] = set()
"""Every model that `takes` named."""
_T = TypeVar("_T", bound=BaseModel)


def reads(model: type[_T]) -> Callable[[Request], Awaitable[_T]]:
    """A dependency that gives the request's body as `model`."""

    async def read(request: Request) -> _T:
        return parse(model, await read_bytes(request))

    return read


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """What the OpenAPI document says of a route whose body is `model`: ``openapi_extra=takes(…)``."""
    BODIES.add(model)
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read_bytes(request: Request) -> bytes:
    """The body.

    Raises:
        InvalidInput: it does not say that it is JSON (what a foreign form sends cannot).  TooLarge: over 1 MiB.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise InvalidInput("content-type", "send application/json")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_MAX:
            raise TooLarge("body", f"over {BODY_MAX} bytes")
    return bytes(content)


def load(content: bytes) -> Any:
    """`content` as JSON has it.

    Raises:
        InvalidInput: it is no JSON, or has what JSON leaves open: a key twice, NaN, a number too large.
    """
    try:
        # From text, for from bytes it would guess UTF-16, and take a byte order mark.
        return json.loads(content.decode(), **_STRICTLY)
    except RecursionError as problem:
        raise InvalidInput("body", "nested too deeply") from problem
    except ValueError as problem:
        raise InvalidInput("body", f"not JSON: {shorten(str(problem), 120)}") from problem


def parse(model: type[_T], content: bytes) -> _T:
    """`content` as `model`.

    Raises:
        InvalidInput: naming the first field that is wrong.
    """
    load(content)
    try:
        return model.model_validate_json(content, strict=True)
    except ValidationError as problem:
        raise _first_problem(model, problem) from problem


def _first_problem(model: type[BaseModel], problem: ValidationError) -> InvalidInput:
    first = problem.errors(include_url=False)[0]
    path = ".".join(shorten(str(part), 60) for part in first["loc"]) or "body"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(first["loc"][-1]), _fields_at(model, first["loc"][:-1]), 1)
        return InvalidInput(path, "there is no such field" + (f"; did you mean {near[0]!r}?" if near else ""))
    return InvalidInput(path, shorten(first["msg"], 200))


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Names of the fields that an object at `path` in `model` may have; empty where that is not one model."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type) or not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)


def _no_constant(text: str) -> Any:
    raise InvalidInput("body", f"{text} is not a number that JSON has")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidInput("body", f"{shorten(text, 40)} is too large for a number")
    return value


def _short(text: str) -> int:
    if len(text) > 20:
        raise InvalidInput("body", f"{shorten(text, 40)} is too large for a number")
    return int(text)


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidInput("body", "a key stands twice in one object")
    return found


_STRICTLY: dict[str, Any] = {
    "parse_constant": _no_constant,
    "parse_float": _finite,
    "parse_int": _short,
    "object_pairs_hook": _no_duplicates,
}

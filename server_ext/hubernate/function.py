"""A function as a job: what is sent of it, and what came back. Only the person's own Python unpickles either."""

import functools
import inspect
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from hubernate_core.errors import HubernateError, InvalidInput, shorten

from .snapshot import BYTES_MAX, shown

OPTIONS = frozenset({"after", "name", "profile", "priority", "retries", "timeout_s", "home", "preemptible"})
"""Keyword arguments of `submit` that are the job's and never the function's."""
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class JobFailed(HubernateError):
    """A job ended and there is no result; the message has why, and the traceback of its function."""


def name_of(function: Callable[..., Any]) -> str:
    """What people call it."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__qualname__", type(function).__qualname__)).replace("<locals>.", "")[:200]


def check_call(function: Callable[..., Any], args: Iterable[Any], kwargs: Mapping[str, Any]) -> None:
    """Whether it can be called like this: better known here than in the job.

    Raises:
        InvalidInput: it cannot.
    """
    try:
        signature = inspect.signature(function)
    except ValueError:  # some that are written in C do not tell
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as problem:
        own = ", ".join(sorted(OPTIONS | {"env", "files", "outputs"}))
        raise InvalidInput(
            "arguments",
            f"{name_of(function)}: {problem}; nothing was submitted. The job's own options ({own}) are not passed to"
            " the function: give it arguments of such names by functools.partial",
        ) from problem


def pack_call(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
    """The content of the file that a job of `function` is called by.

    Raises:
        InvalidInput: cloudpickle is missing, something cannot be pickled, or it is too large.
    """
    try:
        import cloudpickle
    except ImportError as problem:
        raise InvalidInput(
            "cloudpickle",
            "functions travel by cloudpickle, which is not in this environment; nothing was submitted. Run"
            " pip install cloudpickle, then submit again",
        ) from problem
    try:
        content: bytes = cloudpickle.dumps((function, args, dict(kwargs)))
    except Exception as problem:  # whatever a person's own classes raise
        raise InvalidInput(
            "arguments",
            f"{name_of(function)} or what it uses cannot be sent: {shorten(str(problem), 300)}; nothing was submitted."
            " Open files, connections and locks inside the function",
        ) from problem
    if len(content) > BYTES_MAX:
        raise InvalidInput(
            "arguments",
            f"{name_of(function)} and what it uses are {shown(len(content))}, over {shown(BYTES_MAX)}; nothing was"
            " submitted. Pass the path of a file in your home instead, and read it in the function",
        )
    return json.dumps({"python": _PYTHON}).encode() + b"\n" + content


def tells_error(content: bytes) -> bool:
    """Whether it says what the function raised."""
    return bool(json.loads(content.partition(b"\n")[0])["error"])


def read_result(content: bytes) -> Any:
    """What the function returned.

    Raises:
        JobFailed: it raised, or what it returned could not be kept; the message is its traceback.
    """
    first, _, pickled = content.partition(b"\n")
    header = json.loads(first)
    if header["error"]:
        raise JobFailed(header["error"].rstrip())
    import cloudpickle

    try:
        return cloudpickle.loads(pickled)
    except Exception as problem:
        problem.add_note(
            f"This is the result of a job, which ran in Python {header['python']}; here it is {_PYTHON}. It is there"
            " as an output of the job: unpickle it in an environment like the job's"
        )
        raise

"""Idempotency keys: a repeated request gets the first one's answer and does nothing twice."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Header
from pydantic import BaseModel

from hubernate_core.errors import Conflict

from ..context import Work
from ..store import agents

_Answer = TypeVar("_Answer", bound=BaseModel)
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


def once(
    work: Work, user: str, key: str | None, request: object, model: type[_Answer], do: Callable[[], _Answer]
) -> _Answer:
    """`do()`, or what it answered when `user` asked the same `request` under `key` before.

    Raises:
        Conflict: the key was used for another request.
    """
    digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
    given = None if key is None else agents.answer_for(work.tx, user, key)
    if given is not None:
        if given.request_sha256 != digest:
            raise Conflict("this Idempotency-Key was used for another request; nothing was done")
        return model.model_validate(given.answer)
    answer = do()
    if key is not None:
        kept = agents.Answered(user, key, digest, answer.model_dump(mode="json"))
        agents.keep_answer(work.tx, kept, work.now)
    return answer

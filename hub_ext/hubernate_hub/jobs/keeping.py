"""The outputs of an attempt that ended: kept from its container, or those that it went on with where it left none."""

import asyncio
import os
import shutil
from pathlib import Path

from ..store.jobs import JobRow
from .files import disk_is_full
from .logs import drop
from .outputs import Kept, collect, kept_in
from .parts import JobParts


def before_of(parts: JobParts, row: JobRow) -> Path:
    """The outputs of the attempt before: there until those of this one are."""
    return parts.outputs_of(row.id, row.course.attempt - 1)


async def keep(parts: JobParts, row: JobRow, container: str) -> Kept:
    """Copy what `container`, which ended, left for its person."""
    target = parts.outputs_of(row.id, row.course.attempt)
    paths, most = (*row.request.work.keeps, *row.request.outputs), parts.settings.outputs_max_bytes
    if not paths:
        return Kept()
    if disk_is_full(parts.folder):
        why = "none of the outputs was kept: the platform's disk is nearly full. Ask an admin"
        return await asyncio.to_thread(former, parts, row, why)
    drop(target)
    kept = await parts.engine.copy(
        "keep the job's outputs", lambda client: collect(client, container, paths, target, most)
    )
    drop(before_of(parts, row))  # what it went on with is among what it left
    return kept


def former(parts: JobParts, row: JobRow, why: str) -> Kept:
    """What was put back from the attempt before, for the next one to go on with. By links, which need no room; what it
    was put back from stays, so that this may be cut off and done again.
    """
    target, before = parts.outputs_of(row.id, row.course.attempt), before_of(parts, row)
    drop(target)  # maybe half a copy
    if not before.is_dir():
        return Kept(left_out=[why])
    shutil.copytree(before, target, copy_function=os.link)
    return Kept(kept_in(target), [why])

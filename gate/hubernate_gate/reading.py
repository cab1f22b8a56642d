"""Bounded reading of what others answer: neither the notebook nor the hub may fill the gate's memory."""

import json

import aiohttp

ANSWER_MAX = 1 << 20


async def read_at_most(response: aiohttp.ClientResponse, limit: int = ANSWER_MAX) -> bytes | None:
    """The body of `response`, or None if it has more than `limit` bytes."""
    parts = []
    left = limit
    async for part in response.content.iter_any():
        left -= len(part)
        if left < 0:
            return None
        parts.append(part)
    return b"".join(parts)


async def read_json(response: aiohttp.ClientResponse, limit: int = ANSWER_MAX) -> object:
    """The body of `response` as JSON; None if it is none, or too large."""
    body = await read_at_most(response, limit)
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None

"""Logs: one JSON object a line on standard error.

Of an exception its type and place, never its text: what a client sent may stand in it. The texts of our own errors are
written by us and safe.
"""

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

from hubernate_core.errors import HubernateError, shorten

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """A record as one line; `ids` stand in every line."""

    def __init__(self, **ids: str | int) -> None:
        super().__init__()
        self.ids = ids

    def format(self, record: logging.LogRecord) -> str:
        """The line of `record`, its ``extra`` fields included."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            # A library's message may quote what a client sent: only its template is kept.
            "message": shorten(record.getMessage() if record.name.startswith("hubernate") else str(record.msg)),
            **self.ids,
        }
        for name, value in vars(record).items():
            if name not in _STANDARD:
                line[name] = shorten(value) if isinstance(value, str) else value
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            frames = traceback.extract_tb(error.__traceback__)[-6:]
            line["error"] = error.message if isinstance(error, HubernateError) else type(error).__name__
            line["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, default=str)


def set_up(level: str, **ids: str | int) -> None:
    """Send every log of the process through `JsonLines`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(**ids))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("asyncio").setLevel(max(logging.INFO, root.level))  # its debug lines show what was sent

"""``%%hubsql``: a cell of SQL that a database of the team's answers. ``%load_ext hubernate`` makes it known."""

import shlex
from typing import Any

from hubernate_core.errors import InvalidInput

from .tables import sql

_SHOWN = 1000


def load_ipython_extension(shell: Any) -> None:
    """IPython calls this at ``%load_ext hubernate``."""

    def hubsql(line: str, cell: str) -> Any:
        """%%hubsql SOURCE [NAME]: the first 1000 rows as a frame, or all of them kept as the variable NAME."""
        source, name = _words(line)
        if not name:
            return sql(cell, source=source, limit=_SHOWN).to_pandas()
        shell.user_ns[name] = sql(cell, source=source).to_pandas()
        return None

    shell.register_magic_function(hubsql, "cell", "hubsql")


def _words(line: str) -> tuple[str, str]:
    """Source and variable.

    Raises:
        InvalidInput: neither one word nor two, or the second is no name of Python's.
    """
    words = shlex.split(line)
    if len(words) not in (1, 2) or not all(word.isidentifier() for word in words[1:]):
        raise InvalidInput("%%hubsql", "write %%hubsql SOURCE, or %%hubsql SOURCE NAME to keep the rows as a variable")
    return words[0], words[1] if len(words) == 2 else ""

"""Files by which a function and what it returned travel. Known to the SDK too, so nothing but names is here."""

CALL_FILE = "function.call"
"""Among a function's files: a line of JSON, then the function and its arguments by cloudpickle."""
RESULT_FILE = "function.result"
"""What a function left: a line of JSON, then what it returned by cloudpickle. Unpickled by its person only."""

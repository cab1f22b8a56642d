"""The SDK: what people import in notebooks, and the `hubernate` command.

hubernate.sources()                                   what your team has
pd.read_parquet("hub://lake/sales/2026/x.parquet")    any file, with whatever reads files
hubernate.open("hub://lake/notes.txt", "rt")          a file
hubernate.table("crm/customers").to_pandas()          a table
hubernate.sql("select …", source="crm").to_arrow()    a query
hubernate.spark()                                     Spark, where the environment has it
%load_ext hubernate                                   then %%hubsql crm, and SQL in the cell
job = hubernate.submit("train.py", args=["--epochs", "3"], outputs=["model"])
job.wait(); job.logs(); job.outputs()                 a script or notebook as a job, in this very environment
hubernate.submit(train, 0.1, epochs=3).result()       a function, and what it returned
hubernate.log_metric("loss", 0.5)                     in a job: plotted on its page, job.metrics()
hubernate.sweep(train, {"rate": [0.1, 0.01]}, n=20)   random search: a job for each try
hubernate.schedule("report.ipynb", cron="0 7 * * 1-5") the same by the clock
hubernate.demo()                                      a notebook that shows all of it
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .browse import demo, open, sources
    from .function import JobFailed
    from .job import Job, jobs, submit
    from .magic import load_ipython_extension
    from .measure import log_metric
    from .search import Sweep, sweep
    from .space import choice, integers, loguniform, uniform
    from .spark_session import spark
    from .tables import sql, table
    from .timetable import Schedule, schedule, schedules

__all__ = [
    "Job",
    "JobFailed",
    "Schedule",
    "Sweep",
    "choice",
    "demo",
    "integers",
    "jobs",
    "load_ipython_extension",
    "log_metric",
    "loguniform",
    "open",
    "schedule",
    "schedules",
    "sources",
    "spark",
    "sql",
    "submit",
    "sweep",
    "table",
    "uniform",
]
_HOMES = {
    "Job": "job",
    "JobFailed": "function",
    "Schedule": "timetable",
    "Sweep": "search",
    "choice": "space",
    "demo": "browse",
    "integers": "space",
    "jobs": "job",
    "load_ipython_extension": "magic",
    "log_metric": "measure",
    "loguniform": "space",
    "open": "browse",
    "schedule": "timetable",
    "schedules": "timetable",
    "sources": "browse",
    "spark": "spark_session",
    "sql": "tables",
    "submit": "job",
    "sweep": "search",
    "table": "tables",
    "uniform": "space",
}


def __getattr__(name: str) -> Any:
    # Importing fsspec and Arrow takes longer than the command line has.
    if name not in _HOMES:
        raise AttributeError(f"module 'hubernate' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"hubernate.{_HOMES[name]}"), name)

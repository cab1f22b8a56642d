"""Jobs: the same script, notebook or function in a container of its own, in this notebook's very environment.

job = hubernate.submit("train.py", args=["--epochs", "3"], outputs=["model"])
job.logs(follow=True)
job.outputs()[0].save("results")
hubernate.submit(train, 0.1, epochs=3).result()
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path
from time import monotonic
from types import MappingProxyType, SimpleNamespace
from typing import IO, Any, TypeVar

from hubernate_core.errors import InvalidInput, NotFound, Unavailable
from hubernate_core.job import JobState
from hubernate_core.job_files import CALL_FILE, RESULT_FILE
from hubernate_core.names import new_id

from . import function
from .function import JobFailed
from .job_output import JobOutput, MetricPoint, metric_point
from .link import Link, find_place
from .snapshot import choose, pack

MIME_TYPE = "application/vnd.hubernate.job+json"
"""What our JupyterLab extension shows live."""
_LOOK_S = 20.0
T = TypeVar("T")


def submit(
    what: str | Callable[..., Any],
    /,
    *values: Any,
    args: Iterable[str] = (),
    parameters: Mapping[str, Any] | None = None,
    files: Iterable[str] | None = None,
    outputs: Iterable[str] = (),
    env: str = "current",
    **more: Any,
) -> "Job":
    """Run a script (``.py``, ``.sh``), a notebook (``.ipynb``) of the current folder, or a function, as a job.

    Args:
        values: what the function is called with; so are keyword arguments that are not the job's.
        args: what the script is called with.
        parameters: variables set in the notebook.
        files: what goes along: files, folders, patterns. None: the Python modules of this folder.
        outputs: files and folders that the job writes and that are kept, also when it fails. A notebook is kept anyway.
        env: ``current``, saved first where it changed; ``checkpoint:ID``; ``image:NAME``; ``profile``.
        more: ``profile`` (resources; default: those of the environment's own profile), ``name``, ``priority`` (high,
            normal, low), ``retries``, ``timeout_s``, ``home`` (none, read-only, read-write), ``after`` (jobs that
            have to succeed before; where one does not, this one never starts).

    Raises:
        InvalidInput: naming what is wrong; nothing was submitted.  OverQuota, Conflict, NotFound, Unavailable.
    """
    link = Link(find_place("jobs"))
    asked: dict[str, Any] = {"env": env, "outputs": list(outputs)}
    if callable(what):
        if parameters is not None or args:
            raise InvalidInput("args", "a function is given its arguments as they are: submit(train, 0.1, epochs=3)")
        options = {name: more.pop(name) for name in function.OPTIONS & more.keys()}
        function.check_call(what, values, more)
        call = {CALL_FILE: function.pack_call(what, values, more)}
        work = {"kind": "function", "function": function.name_of(what)}
        return submit_by(link, work, files, call, **asked, **options)
    if values:
        raise InvalidInput("args", f"a script's arguments are a list: submit({what!r}, args=[{values[0]!r}])")
    return submit_by(link, work_of(what, args, parameters), files, **asked, **more)


def jobs() -> list["Job"]:
    """Your newest jobs in this team."""
    return page_of(Link(find_place("jobs")))


def page_of(link: Link, **query: Any) -> list["Job"]:
    """Your jobs as the API lists them, newest first. `query`: of the API's list."""
    return [Job(link, _read(each)) for each in link.get("", **query)["items"]]


def submit_by(
    link: Link,
    work: dict[str, Any],
    files: Iterable[str] | None,
    made: Mapping[str, bytes] = MappingProxyType({}),
    folder: Path | None = None,
    **asked: Any,
) -> "Job":
    """As `submit`, by a way of the caller's. The files are those of `folder`, by default of the current one, and those
    in `made`.
    """
    (job,) = submit_each(link, [(work, asked.pop("name", ""))], files, made, asked, folder)
    return job


def submit_each(
    link: Link,
    works: Sequence[tuple[dict[str, Any], str]],
    files: Iterable[str] | None,
    made: Mapping[str, bytes],
    asked: Mapping[str, Any],
    folder: Path | None = None,
) -> Iterator["Job"]:
    """A job for each of `works` (what runs, and its name), with the same files, one after the other."""
    after = asked.get("after", ())
    ids = [getattr(each, "id", each) for each in ([after] if isinstance(after, Job | str) else after)]
    folder, main = folder or Path.cwd(), works[0][0].get("script") or works[0][0].get("notebook")
    content, digest = pack(folder, choose(folder, main, files), made)
    with content:
        for work, name in works:
            body = {"id": new_id(), "work": work, "files": digest, "name": name, **asked, "after": ids}
            yield with_files(link, content, digest, partial(_post, link, body))


def with_files(jobs: Link, content: IO[bytes], digest: str, ask: Callable[[], T]) -> T:
    """What `ask` gives, which names files by their `digest`: they are sent where the platform does not have them."""
    try:
        return ask()
    except NotFound as problem:
        if digest[:12] not in problem.message:
            raise
    content.seek(0)
    jobs.send(f"/files/{digest}", content)
    return ask()


def _read(answer: dict[str, Any]) -> SimpleNamespace:
    # No pydantic here: what people install in their environment is theirs to choose.
    return SimpleNamespace(**answer | {"state": JobState(answer["state"])})


def _post(link: Link, body: dict[str, Any]) -> "Job":
    try:
        return Job(link, _read(link.call("POST", "", body)))
    except Unavailable:  # maybe only the answer was lost: under the same id it is the same job
        return Job(link, _read(link.call("POST", "", body)))


def work_of(what: str, args: Iterable[str], parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is to be run, by its name: a script with `args`, or a notebook with `parameters`.

    Raises:
        InvalidInput: it is given what the other kind takes.
    """
    if what.endswith(".ipynb"):
        if given := tuple(args):
            raise InvalidInput("args", f"a notebook takes parameters, not arguments such as {given[0]!r}")
        return {"kind": "notebook", "notebook": what, "parameters": dict(parameters or {})}
    if parameters:
        raise InvalidInput("parameters", "a script takes args, not parameters")
    return {"kind": "script", "script": what, "args": [str(each) for each in args]}


class Job:
    """A job. `info` is what was last heard of it: the fields of the API's `Job`."""

    def __init__(self, link: Link, info: SimpleNamespace) -> None:
        self._link, self.info = link, info

    @classmethod
    def find(cls, link: Link, job: str) -> "Job":
        """The job of this id.

        Raises:
            NotFound: you have none.
        """
        return cls(link, _read(link.get(f"/{job}")))

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.info.id)

    @property
    def parameters(self) -> dict[str, Any]:
        """Of a notebook, or of a function in a sweep."""
        return dict(self.info.request["work"].get("parameters", {}))

    @property
    def state(self) -> JobState:
        """Its state, asked for now."""
        found: JobState = self._look().state
        return found

    def wait(self, timeout_s: float | None = None) -> "Job":
        """Until it is over, however it ends: look at `info.state` and `info.why` then.

        Raises:
            TimeoutError: it is not over after `timeout_s` seconds; it goes on.
        """
        until = None if timeout_s is None else monotonic() + timeout_s
        while not self.info.state.over:
            left = _LOOK_S if until is None else min(_LOOK_S, until - monotonic())
            if left <= 0:
                raise TimeoutError(f"job {self.id} is {self.info.state} after {timeout_s} s; it goes on")
            self._look(wait_s=left, known=str(self.info.state))
        return self

    def logs(self, *, follow: bool = False, to: IO[bytes] | None = None) -> None:
        """Print its log as it was written; with `follow`, until it is over."""
        out = to or getattr(sys.stdout, "buffer", None)
        for piece in self.read_log(follow=follow):
            if out is not None:
                out.write(piece)
                out.flush()
            else:  # in a notebook
                sys.stdout.write(piece.decode(errors="replace"))

    def read_log(self, *, follow: bool = False) -> Iterator[bytes]:
        """Its log in pieces; with `follow`, until it is over, one attempt's after the other's."""
        offset, attempt = 0, ""
        while True:
            wait = {"wait_s": _LOOK_S} if follow else {}
            content, headers = self._link.part(f"/{self.id}/log", offset=offset, **wait)
            if attempt and headers["Log-Attempt"] != attempt:
                offset, attempt = 0, headers["Log-Attempt"]
                continue
            offset, attempt = int(headers["Log-Next"]), headers["Log-Attempt"]
            if content:
                yield content
            elif not follow:
                return
            if "Log-Over" in headers:
                return

    def result(self, timeout_s: float | None = None) -> Any:
        """What the job's function returned, once it has. It is unpickled here, which runs what the job wrote there.

        Raises:
            JobFailed: it raised, with its traceback as the message; or it was ended, or returned what cannot be kept.
            TimeoutError: it is not over after `timeout_s` seconds; it goes on.
            InvalidInput: the job runs no function.
        """
        done = self.wait(timeout_s).info
        if done.request["work"]["kind"] != "function":
            raise InvalidInput("job", f"{self.id} runs {done.label}; only a function has a result. See outputs()")
        kept = next((each for each in self.outputs() if each.path == RESULT_FILE), None)
        content = b"" if kept is None else kept.read()
        # Of a job that did not succeed, what says that it returned is not of its function: it was among its files.
        if content and (done.state is JobState.SUCCEEDED or function.tells_error(content)):
            return function.read_result(content)
        lost = next((each for each in done.left_out if each.startswith(RESULT_FILE)), "")
        raise JobFailed("; ".join(filter(None, [f"{done.label} ({self.id}) {done.state}", done.why, lost])))

    def metrics(self) -> dict[str, list[MetricPoint]]:
        """What it said by `hubernate.log_metric`, and numbers that its function returned: the points of each name."""
        found = self._link.get(f"/{self.id}/metrics")["series"]
        return {each["name"]: [metric_point(**point) for point in each["points"]] for each in found}

    def outputs(self) -> list[JobOutput]:
        """What was kept of it."""
        return [JobOutput(self._link, self.id, each["path"], each["size"]) for each in self._look().outputs]

    def cancel(self) -> "Job":
        """End it; `wait` until that is so."""
        self.info = _read(self._link.call("POST", f"/{self.id}/cancel"))
        return self

    def rerun(self) -> "Job":
        """The same again, in the very environment it ran in."""
        return Job(self._link, _read(self._link.call("POST", f"/{self.id}/rerun", {"id": new_id()})))

    def _look(self, **query: Any) -> SimpleNamespace:
        self.info = _read(self._link.get(f"/{self.id}", **query))
        return self.info

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """For JupyterLab with our extension, which shows it live; elsewhere what is below."""
        known = {name: str(getattr(self.info, name)) for name in ("id", "label", "state", "why")}
        return {MIME_TYPE: known}

    def _repr_html_(self) -> str:
        """As it was when it was shown."""
        label, state, why = (escape(str(getattr(self.info, name))) for name in ("label", "state", "why"))
        return (
            f"<p><strong>{label}</strong> {state} <small>job {escape(self.id)}</small>{f'<br>{why}' if why else ''}</p>"
        )

    def __repr__(self) -> str:
        why = f": {self.info.why}" if self.info.why else ""
        return f"<job {self.id} {self.info.label}, {self.info.state}{why}>"

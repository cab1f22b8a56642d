"""What the Jobs panel asks: of the platform, passed on by the gate's relay; and of this notebook's own files, which are
packed here by the SDK's code. No credential comes this way.
"""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web
from tornado.iostream import StreamClosedError

from hubernate.job import submit_by
from hubernate.job_output import JobOutput
from hubernate.link import CHUNK, Link, find_place
from hubernate.snapshot import choose
from hubernate_core.errors import Conflict, HubernateError, InvalidInput, NotAllowed, NotFound, OverQuota

from .notebook_parameters import parameters_of
from .relay import ask, with_query

_JOB = "jobs/[a-z][a-z0-9]{9}"
LOOKS = rf"/hubernate/api/(jobs(?:/kinds|/line)?|{_JOB}(?:/log|/metrics)?)"
DEEDS = rf"/hubernate/api/({_JOB}/(?:cancel|rerun))"
OUTPUTS = r"/hubernate/api/jobs/([a-z][a-z0-9]{9})/output"
FILES = r"/hubernate/api/job-files"
KEPT_IN = "job-outputs"
"""Below the folder that JupyterLab shows: what is opened of a job's outputs."""
_ASK_S = 60.0
_SHOWN_MAX = 200
_NOTEBOOK_MAX = 64 * 1024**2
_STATUS: tuple[tuple[type[HubernateError], int], ...] = (
    (InvalidInput, 422),
    (NotFound, 404),
    (NotAllowed, 403),
    (OverQuota, 409),
    (Conflict, 409),
)
_LOG_HEADERS = ("Log-Next", "Log-Attempt", "Log-Over")


class JobsHandler(APIHandler):  # type: ignore[misc]
    """``GET``: jobs, the team's line, kinds, a log from an offset on, metrics: as the platform's API gives them.
    ``POST``: submit, cancel, run again."""

    auth_resource = "hubernate"

    def update_api_activity(self) -> None:
        """A panel that looks again by itself is nobody at work."""

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """The platform's answer."""
        self._answer(await ask("GET", with_query(self, path), request_timeout=_ASK_S))

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def post(self, path: str) -> None:
        """Submit (``jobs``), or pass a deed on."""
        if path == "jobs":
            await answered(self, lambda: _submit(self.settings["server_root_dir"], self.get_json_body()))
            return
        headers = {"Content-Type": "application/json"}
        self._answer(await ask("POST", path, body=self.request.body, headers=headers, request_timeout=_ASK_S))

    def _answer(self, answer: Any) -> None:
        self.set_status(answer.code)
        for name in _LOG_HEADERS:
            if name in answer.headers:
                self.set_header(name, answer.headers[name])
        content_type = answer.headers.get("Content-Type", "application/json")
        self.finish(answer.body or b"", set_content_type=content_type)


class FilesHandler(APIHandler):  # type: ignore[misc]
    """``POST`` {path, files}: which files would go along with a job, their sizes, and a notebook's parameters."""

    auth_resource = "hubernate"

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """What would be sent."""
        await answered(self, lambda: _plan(self.settings["server_root_dir"], self.get_json_body()))


class OutputHandler(APIHandler):  # type: ignore[misc]
    """``GET``: an output, to be downloaded, streaming. ``POST``: keep it in the home, so that JupyterLab opens it."""

    auth_resource = "hubernate"

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def get(self, job: str) -> None:
        """Its bytes, as fast as the browser takes them."""
        path, link = self.get_query_argument("path"), Link(find_place("jobs"))
        try:
            found = await asyncio.to_thread(_find, link, job, path)
            answer = await asyncio.to_thread(link.stream, "GET", f"/{job}/output", path=path)
        except HubernateError as problem:
            refuse(self, problem)
            return
        # Whatever the file says it is: in this origin nothing of it may run.
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header(
            "Content-Disposition", f"attachment; filename*=UTF-8''{quote(path.rpartition('/')[2], safe='')}"
        )
        self.set_header("Content-Length", found["size"])  # so that the browser sees when it broke off
        try:
            while piece := await asyncio.to_thread(answer.read, CHUNK):
                self.write(piece)
                await self.flush()
        except StreamClosedError:
            self.log.info("the browser left before it had all of output %r of job %s", path, job)
        finally:
            await asyncio.to_thread(answer.close)  # it may read what is left of a small rest

    @web.authenticated
    @authorized  # type: ignore[untyped-decorator]
    async def post(self, job: str) -> None:
        """Where it is, below the folder that JupyterLab shows. One that is there already is left as it is."""
        await answered(self, lambda: _keep(self.settings["server_root_dir"], job, self.get_json_body()))


async def answered(handler: APIHandler, make: Callable[[], Mapping[str, Any]]) -> None:
    """Finish with what `make`, which may take its time, gives; or with its refusal, in the platform's shape."""
    try:
        handler.finish(json.dumps(await asyncio.to_thread(make)))
    except HubernateError as problem:
        refuse(handler, problem)
    except OSError as problem:  # a file of the person's that cannot be read, or a full home
        refuse(handler, InvalidInput("files", f"{problem}. Nothing was sent or copied"))


def refuse(handler: APIHandler, problem: HubernateError) -> None:
    """Answer with an error of the tree."""
    handler.set_status(next((status for kind, status in _STATUS if isinstance(problem, kind)), 503))
    handler.finish({"detail": problem.message})


def _submit(root: str, body: Any) -> Mapping[str, Any]:
    """``{"path", "files", "request"}`` → the job. `request` is a `JobRequest` without `files`."""
    path, files = _place(root, body)
    asked = dict(body.get("request") or {})
    work = asked.pop("work", None)
    if not isinstance(work, dict):
        raise InvalidInput("work", "say what is to be run")
    job = submit_by(Link(find_place("jobs")), work, files, folder=path.parent, **asked)
    return vars(job.info)


def _plan(root: str, body: Any) -> Mapping[str, Any]:
    path, files = _place(root, body)
    chosen = choose(path.parent, path.name, files)
    sizes = {each: (path.parent / each).stat().st_size for each in chosen}
    shown = [{"path": each, "size": sizes[each]} for each in chosen[:_SHOWN_MAX]]
    parameters: Mapping[str, Any] = {}
    if path.suffix == ".ipynb" and sizes[path.name] <= _NOTEBOOK_MAX:
        parameters = parameters_of(path.read_text(errors="replace"))
    return {"files": shown, "count": len(sizes), "bytes": sum(sizes.values()), "parameters": parameters}


def _place(root: str, body: Any) -> tuple[Path, list[str] | None]:
    """The file that is to be run, and patterns of what goes along; None: the Python modules beside it."""
    if not isinstance(body, dict) or not isinstance(body.get("path"), str):
        raise InvalidInput("path", "say which file is to be run")
    files = body.get("files")
    if files is not None and not (isinstance(files, list) and all(isinstance(each, str) for each in files)):
        raise InvalidInput("files", "a list of files, folders and patterns, or nothing")
    home = Path(root).resolve()
    path = Path(os.path.normpath(home / body["path"].lstrip("/")))
    if not path.is_relative_to(home) or not path.is_file():
        raise InvalidInput("path", f"{body['path']!r} is not a file here; it may have been moved. Nothing was sent")
    return path, files


def _keep(root: str, job: str, body: Any) -> Mapping[str, Any]:
    """``{"path"}`` → ``{"path"}`` below `root`. Every attempt has a folder: outputs of two may bear one name."""
    wanted = body.get("path") if isinstance(body, dict) else None
    link = Link(find_place("jobs"))
    found = _find(link, job, wanted)
    attempt = "" if found["attempt"] == 1 else f"-attempt-{found['attempt']}"
    folder = Path(root).resolve() / KEPT_IN / f"{job}{attempt}"
    target = folder / found["path"]
    if target.parent.resolve() != target.parent or target.is_symlink():
        raise Conflict(
            f"{target.relative_to(root)} leads elsewhere; rename {KEPT_IN}/{folder.name}, then open it again"
        )
    if not target.exists():  # an attempt's output never changes, but a person may have changed their copy
        partly = folder.with_name(f".{folder.name}-{os.urandom(4).hex()}")
        try:
            JobOutput(link, job, found["path"], found["size"]).save(partly)
            target.parent.mkdir(parents=True, exist_ok=True)
            (partly / found["path"]).rename(target)
        finally:
            shutil.rmtree(partly, ignore_errors=True)
    return {"path": target.relative_to(Path(root).resolve()).as_posix()}


def _find(link: Link, job: str, path: object) -> Mapping[str, Any]:
    """Its path, size in bytes and attempt."""
    known = link.get(f"/{job}")
    found = next((each for each in known["outputs"] if each["path"] == path), None)
    if found is None:
        raise NotFound("no such output was kept of this job")
    return {**found, "attempt": known["attempt"]}

"""Schedules: a job that runs by the clock.

report = hubernate.schedule("report.ipynb", cron="0 7 * * 1-5", zone="Europe/Berlin", parameters={"day": "{yesterday}"})
report.info.next          # its next times, in that zone
report.pause(); report.resume(); report.delete()
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hubernate_core.names import new_id

from .job import with_files, work_of
from .link import Link, find_place
from .snapshot import choose, pack


def schedule(  # noqa: PLR0913  as `submit`, and when
    what: str,
    *,
    cron: str,
    zone: str = "UTC",
    args: Iterable[str] = (),
    parameters: Mapping[str, Any] | None = None,
    files: Iterable[str] | None = None,
    outputs: Iterable[str] = (),
    env: str = "current",
    overlap: str = "skip",
    missed: str = "once",
    webhook: str = "",
    mail: Iterable[str] = (),
    **more: Any,
) -> "Schedule":
    """Run a script or notebook of the current folder by the clock.

    Args:
        cron: minute, hour, day of month, month, day of week.
        zone: IANA time zone of those.
        args, parameters: as of `submit`; {date}, {yesterday}, {date-7:%Y%m%d} and {datetime} are the planned time's.
        env: ``current``, saved now, for every run; ``newest``: each run takes the newest save of this notebook; else as
            of `submit`.
        overlap: of a time that comes while the run before is not over: skip, wait, replace.
        missed: of times that came while the platform was away: once, skip.
        webhook, mail: who is told when a run fails, and when one succeeds after that.
        more: as of `submit`.

    Raises:
        InvalidInput: naming what is wrong; nothing was scheduled.  OverQuota, Conflict, NotFound, Unavailable.
    """
    timing: dict[str, Any] = {"cron": cron, "zone": zone, "overlap": overlap, "missed": missed, "env": env}
    timing["notify"] = {"webhook": webhook, "mail": list(mail)}
    work = work_of(what, args, parameters)
    links = Link(find_place("schedules")), Link(find_place("jobs"))
    return schedule_by(*links, work, files, timing, outputs=list(outputs), **more)


def schedules() -> list["Schedule"]:
    """Your newest schedules in this team."""
    link = Link(find_place("schedules"))
    return [Schedule(link, SimpleNamespace(**each)) for each in link.get("")["items"]]


def schedule_by(
    link: Link, jobs: Link, work: dict[str, Any], files: Iterable[str] | None, timing: dict[str, Any], **job: Any
) -> "Schedule":
    """As `schedule`, by ways of the caller's, to schedules and to jobs. The files are those of the current folder."""
    folder, main, key = Path.cwd(), str(work.get("script") or work.get("notebook")), new_id()
    env = timing.pop("env")
    timing["follow"] = env == "newest"
    content, digest = pack(folder, choose(folder, main, files))
    with content:
        asked = {"id": key, "work": work, "files": digest, "env": "current" if env == "newest" else env, **job}
        body = {"id": key, "job": asked, **timing}
        return with_files(jobs, content, digest, lambda: _post(link, body))


def _post(link: Link, body: dict[str, Any]) -> "Schedule":
    return Schedule(link, SimpleNamespace(**link.call("POST", "", body)))


class Schedule:
    """A schedule. `info` is what was last heard of it: the fields of the API's `Schedule`."""

    def __init__(self, link: Link, info: SimpleNamespace) -> None:
        self._link, self.info = link, info

    @classmethod
    def find(cls, link: Link, schedule: str) -> "Schedule":
        """The schedule of this id.

        Raises:
            NotFound: you have none.
        """
        return cls(link, SimpleNamespace(**link.get(f"/{schedule}")))

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.info.id)

    def look(self) -> "Schedule":
        """Ask for it anew."""
        self.info = SimpleNamespace(**self._link.get(f"/{self.id}"))
        return self

    def pause(self) -> "Schedule":
        """No further times run, until `resume`."""
        self.info = SimpleNamespace(**self._link.call("POST", f"/{self.id}/pause"))
        return self

    def resume(self) -> "Schedule":
        """Go on with its next time."""
        self.info = SimpleNamespace(**self._link.call("POST", f"/{self.id}/resume"))
        return self

    def delete(self) -> None:
        """Take it away; what runs goes on."""
        self._link.call("DELETE", f"/{self.id}")

    def secret(self) -> str:
        """What the calls of its webhook are signed with."""
        return str(self._link.get(f"/{self.id}/secret")["secret"])

    def __repr__(self) -> str:
        following = f"next {self.info.next[0]}" if self.info.next else "paused"
        problem = f": {self.info.problem}" if self.info.problem else ""
        return f"<schedule {self.id} {self.info.label}, {following}{problem}>"

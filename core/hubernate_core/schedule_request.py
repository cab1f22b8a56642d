"""What a person asks for when they schedule a job, and the schedule as the API shows it."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from .errors import InvalidInput, shorten
from .job import JobState
from .job_request import JobRequest
from .names import CheckpointId, JobId, ScheduleId, check_id
from .schedule import Missed, Overlap
from .variables import fill_moment

_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


class Notify(BaseModel):
    """Who is told when a run fails, and when one succeeds after that."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    webhook: str = Field("", max_length=1000, description="an https URL; each call is signed by the schedule's secret")
    mail: tuple[str, ...] = Field((), max_length=10, description="addresses, where the platform sends mail")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.webhook:
            _check_url(self.webhook)
        for address in self.mail:
            if not _MAIL.fullmatch(address):
                raise InvalidInput("notify.mail", f"{shorten(address, 60)!r} is no address such as ada@example.org")
        return self


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as problem:
        raise InvalidInput("notify.webhook", f"{shorten(url, 60)!r} is no URL") from problem
    if not url.isascii() or not url.isprintable() or " " in url or parts.scheme not in ("https", "http"):
        raise InvalidInput("notify.webhook", f"{shorten(url, 60)!r}: write a URL such as https://chat.example.org/hook")
    if not parts.hostname or parts.username is not None or parts.fragment or port == 0:
        raise InvalidInput("notify.webhook", "a URL with a host, and without user, password and fragment")


class ScheduleRequest(BaseModel):
    """A job and when it runs. `id` is the caller's: the same request under the same id again is the same schedule."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: ScheduleId = Field(description="ten characters, as a job's; chosen at random")
    cron: str = Field(
        max_length=200, description="minute, hour, day of month, month, day of week, such as '0 7 * * 1-5'"
    )
    zone: str = Field("UTC", max_length=60, description="IANA time zone of those, such as Europe/Berlin")
    job: JobRequest = Field(
        description="what runs each time; its `id` is the schedule's. In arguments and parameters {date}, {yesterday},"
        " {date-7:%Y%m%d} and {datetime} stand for the planned time in `zone`"
    )
    follow: bool = Field(
        False,
        description="with env 'current': each run takes the newest save of that notebook; else all take the one that is"
        " made now",
    )
    overlap: Overlap = Field(Overlap.SKIP, description="of a time that comes while the run before is not over")
    missed: Missed = Field(Missed.ONCE, description="of times that came while the platform was away")
    notify: Notify = Notify()

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_id(self.id, "id")
        if str(self.job.id) != self.id:
            raise InvalidInput("job.id", "write the schedule's id; each run gets one of its own")
        if self.follow and self.job.env != "current":
            raise InvalidInput("follow", "only the notebook's own environment ('current') can be followed")
        return self

    def run(self, job: JobId, planned: datetime, env: str) -> JobRequest:
        """The job that runs for a time, variables filled in.

        Args:
            planned: in the schedule's zone.
            env: ``checkpoint:ID``, or as it was asked for.

        Raises:
            InvalidInput: with the variables filled in it is no job any more.
        """
        body = self.job.model_dump(mode="json") | {"id": job, "env": env}
        work = dict(body["work"])
        for name in ("args", "parameters"):
            if name in work:
                work[name] = _fill(work[name], planned)
        return JobRequest.model_validate(body | {"work": work})


def _fill(value: JsonValue, planned: datetime) -> Any:
    if isinstance(value, str):
        return fill_moment(value, planned)
    if isinstance(value, Mapping):
        return {name: _fill(each, planned) for name, each in value.items()}
    return [_fill(each, planned) for each in value] if isinstance(value, list) else value


class Schedule(BaseModel):
    """A schedule. `next` are its next times in its zone, none while it is paused."""

    model_config = ConfigDict(frozen=True)
    id: ScheduleId
    label: str
    user: str
    tenant: str
    enabled: bool
    next: tuple[datetime, ...] = Field((), description="with the zone's offset at each of them")
    waiting: datetime | None = Field(None, description="a time that runs once the run before is over")
    problem: str = Field("", description="why the newest time did not run, or nobody could be told")
    checkpoint_id: CheckpointId | None = Field(None, description="what each run starts from; null: see `request`")
    job_id: JobId | None = Field(None, description="the newest run")
    job_state: JobState | None = None
    ran_for: datetime | None = Field(None, description="the time for which that one runs, or ran")
    request: ScheduleRequest
    created_at: datetime

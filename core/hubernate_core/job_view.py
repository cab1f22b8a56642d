"""A job as the API shows it."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .job import JobState, Priority
from .job_request import JobRequest
from .names import CheckpointId, JobId, OperationId


class Output(BaseModel):
    """A file that was kept. `path` is below the job's folder."""

    model_config = ConfigDict(frozen=True)
    path: str
    size: int = Field(description="bytes")


class Attempt(BaseModel):
    """One attempt, from when its container ran until it had ended."""

    model_config = ConfigDict(frozen=True)
    attempt: int
    started_at: datetime
    ended_at: datetime | None = None
    end: str = Field("", description="succeeded, failed, cancelled or preempted; empty: it runs")
    cost: str = Field("", description="as `cost` of the job")


class Job(BaseModel):
    """A job. Times are UTC. `why` it does not run yet, or how it ended."""

    model_config = ConfigDict(frozen=True)
    id: JobId
    label: str = Field(description="its name, or what it runs")
    user: str
    tenant: str
    state: JobState
    cancelling: bool = Field(False, description="it is being ended on request")
    why: str = Field("", description="what it waits for, or how it ended")
    position: int = Field(0, description="in the team's queue, from 1; 0: it does not wait there")
    of: int = Field(0, description="how many wait")
    attempt: int = Field(description="from 1; 0: none was made yet")
    preempted: int = Field(0, description="how often it made room for a higher priority; those attempts do not count")
    profile: str
    image: str = Field(
        "", description="registry/repository@digest that it runs; empty while its environment is being saved"
    )
    checkpoint_id: CheckpointId | None = None
    operation_id: OperationId | None = Field(None, description="the save of the notebook's environment")
    exit_code: int | None = None
    outputs: tuple[Output, ...] = ()
    left_out: tuple[str, ...] = Field((), description="outputs that were not kept, one sentence each")
    log_bytes: int = Field(0, description="what its newest attempt wrote to its log")
    attempts: tuple[Attempt, ...] = Field((), description="those whose container ran, oldest first")
    cost: str = Field("", description="of all attempts so far, by the price list, as '12.50'; empty: there is none")
    currency: str = Field("", description="of `cost`, ISO 4217")
    request: JobRequest
    created_at: datetime
    started_at: datetime | None = Field(None, description="the present or last attempt")
    finished_at: datetime | None = None


class JobInLine(BaseModel):
    """A job that waits or runs, as everybody in its team sees it: whose it is and what it takes, not what it does."""

    model_config = ConfigDict(frozen=True)
    id: JobId
    user: str
    yours: bool
    state: JobState
    priority: Priority
    profile: str
    position: int = Field(0, description="in the team's queue, from 1; 0: it does not wait there")
    of: int = Field(0, description="how many wait")
    why: str = Field("", description="what it waits for")
    created_at: datetime
    started_at: datetime | None = Field(None, description="the present attempt")

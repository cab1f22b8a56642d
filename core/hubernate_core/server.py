"""A person's server: one notebook that runs, sleeps and resumes; and how it may be started."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .checkpoint import Checkpoint
from .errors import InvalidInput
from .kubernetes import Placement
from .names import CheckpointId, OperationId, OwnerId, ServerId, TenantId, check_id
from .operation import Operation
from .profile import Profile


class ServerState(StrEnum):
    """What the platform service knows of a server."""

    ASLEEP = "asleep"  # no container
    STARTING = "starting"
    RUNNING = "running"
    DEAD = "dead"  # its container stopped by itself and is not saved yet


class Start(StrEnum):
    """Where a start takes its environment from. None of them deletes a checkpoint."""

    CONTINUE = "continue"  # the newest checkpoint, or clean when there is none
    CHECKPOINT = "checkpoint"  # an earlier one
    CLEAN = "clean"  # the profile's image
    SAFE = "safe"  # the newest checkpoint, but JupyterLab and kernels from the platform only (F44)


class StartChoice(BaseModel):
    """What a person chose in the start form. Also what the spawner keeps as ``user_options``."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    profile: str = ""
    team_image: str = Field("", description="a team image to start from instead of the profile's own")
    tenant: str = ""
    start: Start = Start.CONTINUE
    checkpoint_id: CheckpointId | None = None
    wait: bool = Field(
        False, description="wait in the queue while the team's quota has no room, rather than be refused"
    )

    @model_validator(mode="after")
    def _check(self) -> "StartChoice":
        if (self.start is Start.CHECKPOINT) != (self.checkpoint_id is not None):
            raise InvalidInput("checkpoint_id", "name a checkpoint exactly when start is 'checkpoint'")
        if self.profile and self.team_image:
            raise InvalidInput("team_image", "a team image has its profile; choose one of the two")
        if self.checkpoint_id is not None:
            check_id(self.checkpoint_id, "checkpoint_id")
        return self

    def as_options(self) -> dict[str, str]:
        """The same choice as the hub takes it: texts, what is not chosen left out."""
        chosen = self.model_dump(mode="json", exclude_defaults=True, exclude={"wait"})
        return {name: str(value) for name, value in chosen.items()} | ({"wait": "yes"} if self.wait else {})


class Server(BaseModel):
    """One server as the API shows it. Times are UTC."""

    model_config = ConfigDict(frozen=True)
    id: ServerId
    owner_id: OwnerId
    user: str
    name: str = Field(description="JupyterHub's server name; empty for the default server")
    tenant_id: TenantId
    tenant: str
    profile: str
    state: ServerState
    generation: int
    node: str = ""
    started_at: datetime | None = None
    ready_at: datetime | None = None
    last_active_at: datetime | None = None
    sleeps_at: datetime | None = Field(None, description="when it will be put to sleep if nothing happens")
    sleeps_because: str = Field("", description="why, for 'it goes to sleep at …: '")
    warned: bool = Field(False, description="it is about to sleep: its person is told so in JupyterLab")
    operation: Operation | None = Field(None, description="the open operation, or the newest finished one")


class Ticket(BaseModel):
    """What the platform service gives a spawner for one start: everything the engine needs, nothing from the user."""

    model_config = ConfigDict(frozen=True)
    server_id: ServerId
    generation: int
    owner_id: OwnerId
    tenant_id: TenantId
    profile: Profile
    image: str = Field(description="registry/repository@digest to run")
    checkpoint: Checkpoint | None = None
    start: Start
    home_volume: str
    relay_token: str = Field(description="narrow token of this server's gate for the platform service", repr=False)
    service_url: str = Field(description="where the gate reaches the platform service")
    placement: Placement | None = Field(None, description="on Kubernetes: the pod's namespace and what it is tied to")
    adopt: str | None = Field(None, description="engine id of a container of this server that still runs: use it")
    wait_for: OperationId | None = Field(None, description="an open operation: wait for it, then ask again")

"""The shapes that cross HTTP between our own processes. One definition, used by both ends.

agent    → POST /api/v1/agent/poll                          Poll     → Orders      (long poll)
agent    → POST /api/v1/agent/operations/{id}/report        Report   → Answer
spawner  → POST /api/v1/hub/servers/start                   StartRequest → Ticket, or (202) Place
spawner  → GET  /api/v1/hub/queue/{id}?wait_s               → Place         (long poll)
spawner  → DELETE /api/v1/hub/queue/{id}                    → 204
spawner  → POST /api/v1/hub/servers/{id}/started            Started  → Server
spawner  → POST /api/v1/hub/servers/{id}/ready              Generation → Server
spawner  → POST /api/v1/hub/servers/{id}/abandoned          Abandoned → Server
spawner  → POST /api/v1/hub/servers/{id}/stop               StopRequest → Operation
spawner  → GET  /api/v1/hub/operations/{id}?wait_s&after    → Operation   (long poll)
spawner  → POST /api/v1/hub/users/{user}/start-options  OptionsRequest → StartOptions
hub      → POST /api/v1/hub/groups                          Groups → Groups
gate     → POST /api/v1/gate/activity                       GateActivity → 204
notebook → GET  /api/v1/relay/me/sleep                      SleepOutlook
notebook → POST /api/v1/relay/me/keep-awake                 SleepOutlook
gate     → POST /api/v1/gate/visits                         GateVisit → 204
"""

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .checkpoint import Checkpoint, Entry, Layer
from .names import OperationId, OwnerId, PlaceId, ServerId, TenantId
from .operation import Kind, Operation, Progress, Step, Trigger
from .server import Start, StartChoice


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Seen(_Wire):
    """One of our notebook containers as the agent sees it on its node."""

    server_id: ServerId
    generation: int
    container_id: str = Field(description="the engine's id; on Kubernetes the pod's UID")
    running: bool
    paused: bool = False
    exit_code: int | None = None
    oom_killed: bool = False
    cpu_seconds: float | None = Field(None, description="CPU time used since its start")


class Copy(_Wire):
    """An image that shall be in another repository of the registry too, under the same digest."""

    source: str = Field(description="repository@digest")
    repository: str


class Copied(_Wire):
    """What became of a `Copy`."""

    reference: str = Field(max_length=400, description="repository@digest of the copy")
    problem: str = Field("", max_length=500, description="why it is not there; empty: it is, and was read back")


class Leftover(_Wire):
    """What a deleted tenant left on the engine: a home volume, or its network."""

    kind: Literal["home", "network"]
    name: str = Field(description="as the engine knows it")
    tenant_id: TenantId
    owner_id: OwnerId | None = Field(None, description="whose home it was")


class Poll(_Wire):
    """An agent asks for work and says what is on its node."""

    node: str
    version: str
    wait_s: float = Field(20, ge=0, le=60)
    containers: tuple[Seen, ...] = ()
    busy_with: tuple[OperationId, ...] = Field((), description="operations it is already at")
    local_checkpoints: tuple[str, ...] = Field((), description="repository@digest of saved images ready here")
    forgotten: tuple[str, ...] = Field((), description="repository@digest whose manifests it deleted")
    copied: tuple[Copied, ...] = ()
    removed: tuple[Leftover, ...] = Field((), description="of the engine, or not there any more")
    found: tuple[str, ...] = Field((), description="of what it was to look for: there")
    missing: tuple[str, ...] = Field((), description="of what it was to look for: the registry has it not")


class Order(_Wire):
    """One operation for this node, with all that the agent needs and nothing more."""

    operation_id: OperationId
    server_id: ServerId
    generation: int
    tenant_id: TenantId
    owner_id: OwnerId
    kind: Kind
    trigger: Trigger
    step: Step = Field(description="where the row stands: continue from here")
    deleting: bool = Field(
        False,
        description="the pod is being deleted: a stopped container would lose its changes at once, so stop nothing",
    )
    container_id: str = Field(description="the engine's id; on Kubernetes the pod's UID")
    gate_container_id: str = Field(description="empty on Kubernetes: the gate is in the same pod")
    repository: str = Field(description="where to push")
    base_repository: str = Field(description="where the base image's blobs can be mounted from")
    base_digest: str = Field(description="manifest digest of the profile's image")
    parent_digest: str = Field(description="manifest digest of the container's image; base_digest if clean")
    parent_layers: tuple[Layer, ...] = Field((), description="our layers in the parent image, oldest first")
    labels: dict[str, str] = Field({}, description="labels for the image, all under our prefix")
    max_bytes: int = Field(description="refuse a change larger than this, uncompressed bytes")
    unless_still: str = Field(
        "", description="digest of a saved image that will do if nothing changed since; empty: save in any case"
    )


class Orders(_Wire):
    """The answer to a poll."""

    orders: tuple[Order, ...] = ()
    prefetch: tuple[str, ...] = Field((), description="repository@digest to make ready, most wanted first")
    forget: tuple[str, ...] = Field((), description="repository@digest whose manifests to delete")
    copies: tuple[Copy, ...] = Field((), description="images to make appear in another repository")
    leftovers: tuple[Leftover, ...] = Field((), description="to remove from the engine, with what is in them")
    look_for: tuple[str, ...] = Field((), description="repository@digest: is it there? Asked after a restore")


class SavedImage(_Wire):
    """What an agent pushed and read back."""

    digest: str
    layers: tuple[Layer, ...] = Field(description="our layers above the base, oldest first")
    size: int = Field(description="compressed bytes of our layers")
    changed_bytes: int
    changed_files: int
    largest: tuple[Entry, ...] = Field((), max_length=20)
    notes: tuple[str, ...] = Field((), max_length=50)
    frozen_s: float = Field(0, ge=0, description="seconds the container stood still")


class Report(_Wire):
    """What an agent did. `generation` fences: an older one is refused with 409."""

    node: str
    generation: int
    step: Step
    progress: Progress = Progress()
    saved: SavedImage | None = Field(None, description="with `verified`")
    still: str = Field(
        "", description="with `verified` instead of `saved`: the order's `unless_still`, which holds all"
    )
    reason: str = Field("", max_length=1000, description="with `failed`: what happened, what is safe, what to do")
    kept: bool = Field(False, description="with `released`: the server goes on")


class Directive(StrEnum):
    """What the agent does next."""

    CONTINUE = "continue"
    RELEASE = "release"  # recorded: stop the container, save its last changes, remove it
    KEEP = "keep"  # recorded: leave the server running
    ABORT = "abort"  # the row is finished or newer: thaw, touch nothing, forget it


class Answer(_Wire):
    """The answer to a report."""

    step: Step
    directive: Directive
    deleting: bool = Field(False, description="as in the order, and newer than it: the deletion may have begun since")


class StartRequest(_Wire):
    """A spawner is about to start `user`'s server. `groups` are the hub's, for the tenant check."""

    user: str
    server_name: str
    groups: tuple[str, ...]
    choice: StartChoice
    place: PlaceId | None = Field(None, description="the place in the queue that this start had last")


class OptionsRequest(_Wire):
    """Which server's start form is to be shown. A body, since ten thousand groups fit into no address."""

    server_name: str = ""
    groups: tuple[str, ...] = Field((), description="the hub's, for the tenant check")


class Groups(_Wire):
    """Names of groups of the identity provider; the answer holds those of them that a team names."""

    names: tuple[str, ...] = Field(max_length=2_000)


class ProfileCard(_Wire):
    """One profile as the start form shows it."""

    name: str
    team_image: str = Field("", description="name of the team image that it starts from; empty: the profile's own")
    title: str
    description: str = ""
    cpu: int = Field(description="thousandths of a core")
    memory: int = Field(description="bytes")
    refusal: str = Field("", description="why it cannot start now; empty: it fits")


class Use(_Wire):
    """What is used of one resource, of the tenant's limit and of the person's own."""

    resource: str
    label: str = Field(description="the resource's name for people")
    used: int
    limit: int | None = Field(None, description="None: no limit")
    shown: str = Field(description="used and limit for people: '6 of 8 cores'")
    mine: int = Field(0, description="of `used`, the person's own")
    my_limit: int | None = None
    my_shown: str = ""


class TenantOptions(_Wire):
    """What a person may start as a member of one tenant."""

    name: str
    title: str = ""
    profiles: tuple[ProfileCard, ...]
    use: tuple[Use, ...] = Field((), description="what is limited, and how much of it is used now")
    checkpoints: tuple[Checkpoint, ...] = Field((), description="of this server name in this tenant, newest first")
    waiting: int = Field(0, description="starts that wait in the tenant's queue now")


class StartOptions(_Wire):
    """All that the start form needs."""

    tenants: tuple[TenantOptions, ...] = Field((), description="the person's tenants; none: nothing may be started")
    default: StartChoice = Field(StartChoice(start=Start.CONTINUE), description="preselected")
    operation: Operation | None = Field(None, description="an open operation of this server: a start waits for it")


class Started(_Wire):
    """The containers of a start exist. On Kubernetes sent twice: when the pod exists, and when its node is known."""

    generation: int
    node: str = Field(max_length=253, description="empty while the pod waits for a node")
    container_id: str = Field(max_length=64, description="the engine's id; on Kubernetes the pod's UID")
    gate_container_id: str = Field("", max_length=64, description="empty on Kubernetes: the gate is in the same pod")


class Generation(_Wire):
    """Names the start that is meant."""

    generation: int


class Abandoned(_Wire):
    """A start failed before `ready`; its containers are removed."""

    generation: int
    image_missing: bool = Field(False, description="the registry does not have the ticket's image: mark it unusable")
    reason: str = Field("", max_length=1000, description="what the person was told")


class StopRequest(_Wire):
    """The hub wants the server stopped."""

    generation: int
    trigger: Trigger = Trigger.USER


class GateActivity(_Wire):
    """What a gate saw since its last report; ages in seconds, so that no clock is compared with another (F40)."""

    generation: int
    person_age_s: float | None = Field(None, ge=0, description="since the last request that a person caused")
    kernels_busy: int = Field(0, ge=0)
    terminals_busy: int = Field(0, ge=0, description="terminals with a child process")
    gpu: float | None = Field(None, ge=0, le=1, description="share of the busiest GPU in use; None: it cannot be read")
    seen_at: datetime | None = None


class SleepOutlook(_Wire):
    """When the notebook that asks will be put to sleep; lengths from now on: no clock is compared with another."""

    sleeps_in_s: float | None = Field(None, ge=0, description="if nothing happens; None: nothing puts it to sleep")
    warn_in_s: float | None = Field(None, ge=0, description="when its person is to be told; 0: now")
    because: str = Field("", description="for 'it goes to sleep in …: '")
    keep_awake_minutes: int = Field(0, description="longest that it may be kept awake; 0: that would not help")


class GateVisit(_Wire):
    """Somebody else than its owner enters a server: an admin, or a person whom it is shared with."""

    generation: int
    visitor: str = Field(min_length=1, max_length=255, description="their name at the hub")
    by_token: bool = Field(description="by an API token, not by a browser's login")
    origin: str = Field("", max_length=200, description="address that the nearest proxy saw, and the program's name")

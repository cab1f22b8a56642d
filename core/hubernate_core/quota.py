"""What a tenant may use at the same time."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .grammar import check_device
from .quantity import Bytes, MilliCpu
from .scheduling import DeviceCount


class Quota(BaseModel):
    """Sums over a tenant's running servers, and over its homes for storage. None: no limit of ours."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    servers: int = Field(100, ge=0, le=100_000, description="servers that run at the same time")
    cpu: MilliCpu | None = Field(None, description="thousandths of a core; written '64'")
    memory: Bytes | None = Field(None, description="bytes; written '256Gi'")
    homes: int = Field(1000, ge=0, le=100_000, description="home volumes")
    storage: Bytes | None = Field(None, description="bytes of all home volumes; written '2Ti'")
    devices: dict[str, DeviceCount] = Field({}, description="extended resources by name; none other is given")

    @model_validator(mode="after")
    def _check(self) -> "Quota":
        for device in self.devices:
            check_device(device, "quota.devices")
        return self

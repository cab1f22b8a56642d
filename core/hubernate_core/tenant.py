"""A tenant: a JupyterHub group and our row."""

from pydantic import BaseModel, ConfigDict, Field

from .activity import CullingRule
from .checkpoint import Retention
from .kubernetes import TenantKubernetes
from .names import TenantId
from .quota import Quota


class Tenant(BaseModel):
    """A team. Its name is for people; its id is in every engine name."""

    model_config = ConfigDict(frozen=True)
    id: TenantId
    name: str
    title: str = ""
    profiles: tuple[str, ...] = Field((), description="profiles its members may start; empty: every profile")
    culling: CullingRule = CullingRule()
    retention: Retention = Retention()
    quota: Quota = Quota()
    kubernetes: TenantKubernetes = TenantKubernetes()

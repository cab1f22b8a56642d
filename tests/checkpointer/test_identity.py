"""An order must mean the container that it names, and push where its owner's images are."""

import pytest

from hubernate_checkpointer.capture.engine import Container
from hubernate_checkpointer.identity import check_meant
from hubernate_core import names
from hubernate_core.errors import NotAllowed
from hubernate_core.names import OperationId, OwnerId, ServerId, TenantId
from hubernate_core.operation import Kind, Step, Trigger
from hubernate_core.wire import Order

_ORDER = Order(
    operation_id=OperationId("oaaaaaaaa1"),
    server_id=ServerId("saaaaaaaa1"),
    generation=3,
    tenant_id=TenantId("taaaaaaaa1"),
    owner_id=OwnerId("uaaaaaaaa1"),
    kind=Kind.STOP,
    trigger=Trigger.USER,
    step=Step.REQUESTED,
    container_id="0a1b2c3d-0000-4000-8000-00000000000a",
    gate_container_id="",
    repository="t-taaaaaaaa1/u-uaaaaaaaa1",
    base_repository="profiles/base",
    base_digest="sha256:" + "b" * 64,
    parent_digest="sha256:" + "b" * 64,
    max_bytes=1,
)
_LABELS = {
    names.INSTANCE_LABEL: "hub",
    names.TENANT_LABEL: "taaaaaaaa1",
    names.OWNER_LABEL: "uaaaaaaaa1",
    names.SERVER_LABEL: "saaaaaaaa1",
    names.GENERATION_LABEL: "3",
    names.ROLE_LABEL: "notebook",
}
_IDENTITY = tuple(name for name in _LABELS if name != names.ROLE_LABEL)


def _check(labels: dict[str, str], **changes: object) -> None:
    container = Container(_ORDER.container_id, "x", True, False, False, None, False, labels)
    check_meant(_ORDER.model_copy(update=changes), container, "hub", _IDENTITY)


def test_the_right_container_is_meant() -> None:
    _check(_LABELS)
    _check(_LABELS, repository="company/hub/t-taaaaaaaa1/u-uaaaaaaaa1")


@pytest.mark.parametrize("name", _LABELS)
def test_one_wrong_or_missing_label_is_enough(name: str) -> None:
    with pytest.raises(NotAllowed, match=name):
        _check(_LABELS | {name: "another"})
    with pytest.raises(NotAllowed, match=name):
        _check({key: value for key, value in _LABELS.items() if key != name})


@pytest.mark.parametrize(
    "repository",
    [
        "t-taaaaaaaa1/u-ubbbbbbbb1",
        "t-tbbbbbbbb1/u-uaaaaaaaa1",
        "xt-taaaaaaaa1/u-uaaaaaaaa1",
        "profiles/base",
        "t-taaaaaaaa1/u-uaaaaaaaa1/x",
    ],
)
def test_nothing_is_pushed_to_another_repository(repository: str) -> None:
    with pytest.raises(NotAllowed, match="repository"):
        _check(_LABELS, repository=repository)

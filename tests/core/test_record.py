"""The signed record: equal records have equal bytes, and another person's is refused."""

import pytest

from hubernate_core.errors import Broken
from hubernate_core.names import OwnerId, ServerId, TenantId
from hubernate_core.record import Record, check_record

RECORD = Record(
    digest="sha256:" + "a" * 64, repository="t-a/u-b", tenant_id=TenantId("t123456789"), owner_id=OwnerId("u123456789"),
    server_id=ServerId("s123456789"), generation=3, base_digest="sha256:" + "b" * 64,
)  # fmt: skip


def test_the_payload_does_not_depend_on_field_order() -> None:
    shuffled = Record(**dict(reversed(RECORD.model_dump().items())))
    assert shuffled.payload() == RECORD.payload()


def test_every_field_is_in_the_payload() -> None:
    for field, value in RECORD.model_dump().items():
        changed = RECORD.model_copy(update={field: f"{value}x" if isinstance(value, str) else value + 1})
        assert changed.payload() != RECORD.payload(), field


@pytest.mark.parametrize("change", [{"owner_id": "u000000000"}, {"tenant_id": "t000000000"}, {"version": 2}])
def test_a_foreign_or_newer_record_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(Broken):
        check_record(RECORD.model_copy(update=change), owner_id=RECORD.owner_id, tenant_id=RECORD.tenant_id)

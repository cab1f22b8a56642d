"""What a start that waits has to tell and to ask, whatever it is made on."""

from hubernate_spawner.progress import Log
from support.fake_service import FakeService


def check_position_was_told(service: FakeService, told: Log, positions: tuple[int, ...]) -> None:
    """Each position once, with the reason, going forward; asked again by the place it had, which it did not leave."""
    lines = [event.message for event in told.events if "position" in event.message]
    why = "Team Research uses 4 of 4 running servers (eve 4); this needs 1 more."
    assert lines == [f"Waiting for quota: position {number} of 5. {why}" for number in positions]
    assert [event.percent for event in told.events] == sorted(event.percent for event in told.events)
    asked = service.called("start")
    assert [each["place"] for each in asked] == [None, service.place_id], "asked again, it says which place it had"
    assert service.called("leave") == []

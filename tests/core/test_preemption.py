"""Who makes room: no more than it takes, no notebook, nobody of the same priority, nobody for ever."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.job import Priority
from hubernate_core.names import JobId
from hubernate_core.preemption import PREEMPTED_MAX, RANK, Needy, Running, who_makes_room
from hubernate_core.quota import Books, Holding, Quota

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PEOPLE = ("ada", "eve", "bob")


def job(number: int, user: str = "ada", cpu: int = 1000, priority: Priority = Priority.LOW, **more: object) -> Running:
    holding = Holding(user, {"jobs": 1, "cpu": cpu})
    return Running(JobId(f"j{number:09d}"), holding, priority, NOW + timedelta(minutes=number), **more)  # type: ignore[arg-type]


def quota(cpu: int, jobs: int | None = None, own: int | None = None) -> Quota:
    """Limits; of cores in thousandths."""
    mine = {"cpu": None if own is None else f"{own}m"}
    return Quota.model_validate({"cpu": f"{cpu}m", "jobs": jobs, "per_user": mine})


JOBS = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE),
        st.integers(1, 4),
        st.sampled_from(Priority),
        st.integers(0, PREEMPTED_MAX),
        st.booleans(),
    ),
    max_size=8,
).map(
    lambda some: [
        job(number, user, cpu * 500, priority, preempted=preempted, willing=willing)
        for number, (user, cpu, priority, preempted, willing) in enumerate(some)
    ]
)
SERVERS = st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(1, 4)), max_size=3).map(
    lambda some: [Holding(user, {"servers": 1, "cpu": cpu * 500}) for user, cpu in some]
)
NEEDY = st.builds(
    lambda user, cpu, priority: Needy(user, {"jobs": 1, "cpu": cpu * 500}, priority),
    st.sampled_from(PEOPLE), st.integers(1, 6), st.sampled_from(Priority),
)  # fmt: skip
QUOTAS = st.builds(
    lambda cpu, jobs, own: quota(cpu * 500, jobs, None if own is None else own * 500),
    st.integers(1, 12), st.integers(1, 8), st.none() | st.integers(1, 8),
)  # fmt: skip


@given(QUOTAS, SERVERS, JOBS, NEEDY)
def test_it_fits_afterwards_and_nobody_stops_in_vain(
    limits: Quota, servers: list[Holding], jobs: list[Running], needy: Needy
) -> None:
    held = [*servers, *(each.holding for each in jobs)]
    chosen = who_makes_room(limits, held, jobs, needy)
    assert len(set(chosen)) == len(chosen)
    stopped = [each for each in jobs if each.id in chosen]
    for each in stopped:
        assert RANK[each.priority] < RANK[needy.priority]
        assert each.willing
        assert each.preempted < PREEMPTED_MAX
    stay = [*servers, *(each.holding for each in jobs if each.id not in chosen)]
    if Books(held).fits(limits, needy.user, needy.wanted):
        assert not chosen
    if chosen:
        assert Books(stay).fits(limits, needy.user, needy.wanted)
        for each in stopped:
            assert not Books([*stay, each.holding]).fits(limits, needy.user, needy.wanted), "one too many"
    elif not Books(held).fits(limits, needy.user, needy.wanted):
        may = [
            each for each in jobs
            if RANK[each.priority] < RANK[needy.priority] and each.willing and each.preempted < PREEMPTED_MAX
        ]  # fmt: skip
        rest = [*servers, *(each.holding for each in jobs if each not in may)]
        assert not Books(rest).fits(limits, needy.user, needy.wanted), "somebody could have made room"


def test_the_newest_of_the_lowest_goes() -> None:
    running = [job(1), job(2), job(3, priority=Priority.NORMAL), job(4), job(5, priority=Priority.NORMAL)]
    held = [each.holding for each in running]
    high = Needy("eve", {"jobs": 1, "cpu": 1000}, Priority.HIGH)
    assert who_makes_room(Quota(jobs=5), held, running, high) == ["j000000004"]
    two = Needy("eve", {"jobs": 1, "cpu": 2000}, Priority.NORMAL)
    assert who_makes_room(quota(5000), held, running, two) == ["j000000004", "j000000002"]

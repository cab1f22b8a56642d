"""The one decision: what fits beside what is held, whose limit is short, and how a refusal reads."""

from hypothesis import given
from hypothesis import strategies as st

from hubernate_core.profile import read_profile
from hubernate_core.quota import Holding, Quota, amounts_of, decide
from hubernate_core.refusal import reason, show_amount, tell

GIB = 1024**3
PROFILE = {
    "name": "gpu", "title": "GPU", "image": "registry.example.com/gpu@sha256:" + "a" * 64,
    "resources": {"cpu": "4", "memory": "16Gi"}, "kubernetes": {"devices": {"nvidia.com/gpu": 1}},
}  # fmt: skip


def quota(**fields: object) -> Quota:
    return Quota.model_validate(fields)


def test_what_fits_exactly_fits() -> None:
    held = [Holding("ada", {"servers": 1, "cpu": 3000})]
    assert decide(quota(cpu="4", servers=2), held, "eve", {"servers": 1, "cpu": 1000}) == ()


def test_a_refusal_names_the_limit_what_is_used_and_by_whom() -> None:
    held = [Holding("eve", {"memory": 20 * GIB}), Holding("ada", {"memory": 30 * GIB}), Holding("ada", {"memory": GIB})]
    (short,) = decide(quota(memory="64Gi"), held, "ada", {"memory": 16 * GIB})
    assert (short.scope, short.used, short.limit, short.wanted) == ("tenant", 51 * GIB, 64 * GIB, 16 * GIB)
    assert [(each.user, each.amount) for each in short.by] == [("ada", 31 * GIB), ("eve", 20 * GIB)]
    said = tell(reason("Physics", short), ["Python (2 cores)"])
    for part in (
        "Team Physics uses 51 GiB of 64 GiB memory",
        "ada 31 GiB, eve 20 GiB",
        "16 GiB more",
        "Python (2 cores)",
    ):
        assert part in said


def test_a_cap_of_one_person_counts_only_theirs() -> None:
    mine = quota(servers=10, per_user={"servers": 1})
    held = [Holding("ada", {"servers": 1})]
    assert decide(mine, held, "eve", {"servers": 1}) == ()
    (short,) = decide(mine, held, "ada", {"servers": 1})
    assert short.scope == "user"
    assert reason("Physics", short).startswith("ada uses 1 of 1 running servers; this needs 1 more.")


def test_a_device_is_never_given_without_being_named() -> None:
    wanted = amounts_of(read_profile(PROFILE), devices=True)
    (short,) = decide(quota(), [], "ada", wanted)
    assert (short.resource, short.limit) == ("nvidia.com/gpu", 0)
    assert "may use no nvidia.com/gpu" in reason("Physics", short)
    assert decide(quota(devices={"nvidia.com/gpu": 1}), [], "ada", wanted) == ()
    assert decide(quota(), [], "ada", amounts_of(read_profile(PROFILE), devices=False)) == (), "Docker gives none"


def test_a_lower_limit_refuses_what_is_new_and_what_is_over_says_so() -> None:
    held = [Holding("ada", {"servers": 1})] * 5
    (short,) = decide(quota(servers=2), held, "eve", {"servers": 1})
    assert (short.used, short.limit) == (5, 2)
    saved = [Holding("ada", {"checkpoint_bytes": 60 * GIB})]
    full = quota(checkpoint_bytes="50Gi")
    assert decide(full, saved, "eve", {"checkpoint_bytes": 0})
    assert decide(quota(checkpoint_bytes="60Gi"), saved, "eve", {"checkpoint_bytes": 0}) == ()
    (over,) = decide(full, saved, "eve", {"checkpoint_bytes": 0})
    assert "more" not in reason("Physics", over)


def test_many_people_are_counted_not_listed() -> None:
    held = [Holding(f"user{number:03}", {"servers": 1}) for number in range(50)]
    (short,) = decide(quota(servers=50), held, "eve", {"servers": 1})
    said = reason("Physics", short)
    assert "45 more 45" in said
    assert len(said) < 600


def test_amounts_are_shown_as_quotas_are_written() -> None:
    assert [show_amount("cpu", each) for each in (500, 1000, 2500)] == ["0.5 cores", "1 core", "2.5 cores"]
    assert [show_amount("memory", each) for each in (512 * 1024**2, 64 * GIB, 2 * 1024 * GIB)] == [
        "512 MiB", "64 GiB", "2 TiB",
    ]  # fmt: skip
    assert show_amount("nvidia.com/gpu", 3) == "3"


_NAMES = st.sampled_from(["servers", "cpu", "memory", "nvidia.com/gpu"])
_AMOUNTS = st.dictionaries(_NAMES, st.integers(0, 9))


@given(
    st.lists(st.builds(Holding, st.sampled_from(["ada", "eve"]), _AMOUNTS), max_size=8),
    _AMOUNTS,
    st.integers(0, 20),
    st.integers(0, 20),
    st.one_of(st.none(), st.integers(0, 20)),
)
def test_what_is_admitted_never_exceeds(
    held: list[Holding], wanted: dict[str, int], servers: int, gpus: int, own: int | None
) -> None:
    limits = quota(servers=servers, devices={"nvidia.com/gpu": gpus}, per_user={"servers": own})

    def total(resource: str, *users: str) -> int:
        return sum(each.amounts.get(resource, 0) for each in held if each.user in users) + wanted.get(resource, 0)

    over = (
        ("servers" in wanted and total("servers", "ada", "eve") > servers)
        or ("nvidia.com/gpu" in wanted and total("nvidia.com/gpu", "ada", "eve") > gpus)
        or ("servers" in wanted and own is not None and total("servers", "ada") > own)
    )
    assert bool(decide(limits, held, "ada", wanted)) == over

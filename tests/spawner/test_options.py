"""Options as they come from forms and from the REST API: what is refused, and what the start form shows."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import InvalidInput, OverQuota
from hubernate_core.server import Start, StartChoice
from hubernate_core.wire import ProfileCard, StartOptions, TenantOptions, Use
from hubernate_spawner.client import _refusal
from hubernate_spawner.form import age, make_form, make_refusal
from hubernate_spawner.options import from_form, read_choice, to_repeat

NOW = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
ID = "caaaaaaaa1"


@pytest.mark.parametrize(
    ("options", "choice"),
    [
        (None, StartChoice()),
        ({}, StartChoice()),
        ({"start": "clean", "profile": "base"}, StartChoice(start=Start.CLEAN, profile="base")),
        ({"start": "checkpoint", "checkpoint_id": ID}, StartChoice(start=Start.CHECKPOINT, checkpoint_id=ID)),
        ({"start": "clean", "team_image": "lab"}, StartChoice(start=Start.CLEAN, team_image="lab")),
        ({"start": "safe", "tenant": "research"}, StartChoice(start=Start.SAFE, tenant="research")),
        ({"start": "", "profile": "", "checkpoint_id": None}, StartChoice()),
        ({"profile": "base", "wait": "yes"}, StartChoice(profile="base", wait=True)),
    ],
)
def test_good_options(options: Any, choice: StartChoice) -> None:
    assert read_choice(options) == choice
    assert read_choice(choice.as_options()) == choice, "as the hub is asked again"


SMUGGLED = [
    "image", "env", "environment", "mounts", "volumes", "kubespawner_override", "extra_pod_config", "privileged",
    "hostPath",
    "serviceAccountName", "nodeName", "tolerations", "runtimeClassName", "initContainers", "unlisted_choice", "cap_add",
    "network_mode", "__class__", "generation", "adopt", "owner_id", "home_volume", "resources", "",
]  # fmt: skip


@pytest.mark.parametrize("key", SMUGGLED)
def test_nothing_is_smuggled_in(key: str) -> None:
    with pytest.raises(InvalidInput, match="no such start option"):
        read_choice({"start": "clean", key: "anything"})


def test_a_misspelt_key_is_told_the_right_one() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'profile'"):
        read_choice({"profil": "base"})


@pytest.mark.parametrize(
    "options",
    [
        "clean", [["start", "clean"]], 7,
        {"start": "resume"}, {"start": ["clean"]}, {"start": True}, {"start": 1},
        {"team_image": "other/registry"}, {"team_image": "lab", "profile": "base"}, {"profile": ".*"},
        {"profile": 0}, {"profile": {"name": "base"}}, {"profile": "Base"}, {"profile": "../base"},
        {"profile": "base\n"}, {"profile": "b" * 5000}, {"profile": "base", "tenant": "kube-system"},
        {"tenant": "a,b=c"}, {"tenant": ["research"]},
        {"start": "checkpoint"}, {"start": "clean", "checkpoint_id": ID},
        {"start": "checkpoint", "checkpoint_id": "1 or 1=1"},
        {"start": "checkpoint", "checkpoint_id": {"$ne": ""}}, {7: "x"},
    ],
)  # fmt: skip
def test_bad_values_are_refused_in_one_short_line(options: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_choice(options)
    assert "\n" not in refused.value.message
    assert len(refused.value.message) < 400


def test_the_form_sends_one_text_each() -> None:
    assert from_form({"start": ["clean"], "profile": ["base"], "tenant": [""], "_xsrf": ["x"]}) == {
        "start": "clean",
        "profile": "base",
    }
    assert from_form({"start": ["continue"], "checkpoint_id": [ID]}) == {"start": "continue"}
    assert from_form({"start": ["checkpoint"], "checkpoint_id": [ID]})["checkpoint_id"] == ID
    for twice in ({"start": ["clean", "safe"]}, {"profile_file": [{"body": b""}]}, {"start": []}):
        with pytest.raises(InvalidInput):
            from_form(twice)
    assert from_form({"start": ["clean"], "profile": ["team_image:lab"]}) == {"start": "clean", "team_image": "lab"}
    for smuggled in ({"image": ["ubuntu"]}, {"profile": ["image:ubuntu"]}, {"profile": ["team_image:../x"]}):
        with pytest.raises(InvalidInput):
            read_choice(from_form(smuggled))


def test_a_clean_or_older_start_is_a_choice_for_once() -> None:
    once = StartChoice(start=Start.CHECKPOINT, checkpoint_id=ID, tenant="research", profile="base")
    assert read_choice(to_repeat(once)) == StartChoice(tenant="research")
    assert read_choice(to_repeat(StartChoice(start=Start.CLEAN))) == StartChoice()


def _checkpoint(number: int, minutes: int, **changes: Any) -> Checkpoint:
    values: dict[str, Any] = {
        "id": f"caaaaaaaa{number}", "operation_id": "paaaaaaaa1", "server_id": "saaaaaaaa1", "tenant_id": "taaaaaaaa1",
        "owner_id": "oaaaaaaaa1", "generation": number, "profile": "base", "repository": "r",
        "digest": "sha256:" + "a" * 64, "base_digest": "sha256:" + "b" * 64, "size": 212_000_000,
        "created_at": NOW - timedelta(minutes=minutes),
    }  # fmt: skip
    return Checkpoint(**(values | changes))


BASE = ProfileCard(name="base", title="Base", description="Python", cpu=2000, memory=4 * 1024**3)


def test_the_form_offers_to_continue_with_age_and_size() -> None:
    tenant = TenantOptions(
        name="research",
        profiles=(BASE,),
        checkpoints=(_checkpoint(3, 5), _checkpoint(2, 300, name="before <b>upgrade</b>")),
    )
    html = make_form(StartOptions(tenants=(tenant,)), NOW)
    assert "Base · saved 5 min ago · 212 MB" in html
    assert 'value="continue" checked' in html
    assert "“before &lt;b&gt;upgrade&lt;/b&gt;” · Base · saved 5 h ago" in html, "a person's text is escaped"
    assert f'<option value="{_checkpoint(2, 0).id}">' in html
    assert 'value="clean"' in html
    assert 'value="safe"' in html
    assert "2 CPU · 4 GiB memory" in html


def test_a_checkpoint_that_is_lost_is_told_and_not_offered() -> None:
    lost = _checkpoint(3, 5, usable=False)
    tenant = TenantOptions(name="research", profiles=(BASE,), checkpoints=(lost, _checkpoint(2, 60)))
    html = make_form(StartOptions(tenants=(tenant,)), NOW)
    assert "missing from the registry" in html
    assert lost.id not in html
    assert "saved 60 min ago" in html


def test_a_first_start_asks_for_the_profile_alone() -> None:
    html = make_form(StartOptions(tenants=(TenantOptions(name="research", profiles=(BASE,)),)), NOW)
    assert 'value="base" checked' in html
    assert 'type="radio" name="start"' not in html
    assert "hidden" not in html.split("<fieldset")[1].split(">")[0]


def test_a_team_image_is_one_of_the_cards_and_changes_no_other_title() -> None:
    image = BASE.model_copy(update={"team_image": "lab", "title": "The lab's tools", "description": "of <eve>"})
    tenant = TenantOptions(name="research", profiles=(BASE, image), checkpoints=(_checkpoint(3, 5),))
    html = make_form(StartOptions(tenants=(tenant,), default=StartChoice(profile="base")), NOW)
    assert 'value="base" checked' in html
    assert 'value="team_image:lab"' in html
    assert html.count(">team image<") == 1
    assert "of &lt;eve&gt;" in html
    assert "Base · saved 5 min ago" in html


def test_several_teams_are_chosen_from_and_no_team_is_told() -> None:
    teams = tuple(TenantOptions(name=name, title=name.title(), profiles=(BASE,)) for name in ("research", "analytics"))
    html = make_form(StartOptions(tenants=teams, default=StartChoice(tenant="analytics")), NOW)
    assert '<option value="analytics" selected>Analytics' in html
    assert html.count("disabled hidden") == 1, "only the chosen team's fields are sent"
    assert "in no team yet" in make_form(StartOptions(), NOW)


@pytest.mark.parametrize(
    ("minutes", "text"), [(0, "just now"), (5, "5 min ago"), (89, "89 min ago"), (180, "3 h ago"), (3000, "2 days ago")]
)
def test_ages_are_for_people(minutes: int, text: str) -> None:
    assert age(timedelta(minutes=minutes)) == text


def test_the_form_says_what_the_team_uses_and_what_does_not_fit() -> None:
    use = Use(resource="memory", label="memory", used=3, limit=4, shown="3 GiB of 4 GiB", mine=1, my_shown="1 GiB")
    full = BASE.model_copy(update={"refusal": "Team <b> uses 3 GiB of 4 GiB memory."})
    html = make_form(StartOptions(tenants=(TenantOptions(name="research", profiles=(full,), use=(use,)),)), NOW)
    assert "3 GiB of 4 GiB · you 1 GiB" in html
    assert 'value="75"' in html
    assert "Does not fit now. Team &lt;b&gt; uses 3 GiB" in html


def test_the_form_offers_to_wait_and_says_how_many_do() -> None:
    team = TenantOptions(name="research", profiles=(BASE,), waiting=3)
    html = make_form(StartOptions(tenants=(team,)), NOW)
    assert '<input type="checkbox" name="wait" value="yes" checked>' in html
    assert "3 starts wait in this team now." in html
    assert read_choice(from_form({"start": ["continue"], "wait": ["yes"]})).wait


def test_a_refusal_by_a_quota_is_a_table_of_who_uses_what_and_escaped() -> None:
    short = {
        "resource": "cpu", "scope": "tenant", "limit": 8000, "used": 7000, "wanted": 2000,
        "by": [{"user": "<img src=x>", "amount": 7000}],
    }  # fmt: skip
    answer = json.dumps({"detail": "Team Physics is full.", "shortfalls": [short]}).encode()
    problem = _refusal(409, answer, "POST servers/start")
    assert isinstance(problem, OverQuota)
    html = make_refusal(problem)
    for part in ("7 cores of 8 cores", "2 cores", "&lt;img src=x&gt; 7 cores", "Team Physics is full."):
        assert part in html
    assert "<img" not in html
    assert not isinstance(_refusal(409, b'{"detail": "busy"}', "x"), OverQuota)

"""`hubernate` against the real service: log in, export and apply, dry run, exit codes, private tokens."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer.main
import yaml

from hubernate.cli.documents import read_documents
from hubernate.cli.root import make_app
from hubernate_core.cost import unit_of
from hubernate_core.errors import InvalidInput
from hubernate_core.metering import Key
from hubernate_hub.store import usage
from support.platform_service import Running, running

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "state") as found:
        yield found


@pytest.fixture
def hubernate(service: Running, tmp_path: Path) -> Command:
    """The command, as an admin of the platform who is logged in."""

    def run(*arguments: str, given: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        program = "from hubernate.cli import main; main()"
        environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path / "config"), "COLUMNS": "200"}
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments],
            input=given, env=environment, text=True, capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return done

    token = service.person("root", admin=True).token
    assert "root (admin)" in run("login", service.url, given=token + "\n").stdout
    return run


def test_a_token_is_kept_for_its_person_only(hubernate: Command, tmp_path: Path, service: Running) -> None:
    kept = tmp_path / "config" / "hubernate" / "contexts.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    token = json.loads(kept.read_text())["targets"]["default"]["token"]
    assert token in service.hub.tokens
    assert token not in hubernate("tenants", "-o", "json").stdout


def test_export_and_apply_are_a_round_trip_that_changes_nothing(hubernate: Command, tmp_path: Path) -> None:
    hubernate("apply", "-f", "-", given="kind: Tenant\nname: chemistry\nquota: {cpu: 500m}\nmembers: [{user: nina}]\n")
    first = hubernate("export").stdout
    names = [each["name"] for each in yaml.safe_load_all(first)]
    assert names == ["biology", "chemistry", "physics"]
    file = tmp_path / "teams.yaml"
    file.write_text(first)
    results = json.loads(hubernate("apply", "-f", str(file), "-o", "json").stdout)
    assert [each["result"] for each in results] == ["unchanged"] * 3
    assert hubernate("export").stdout == first
    file.write_text(first.replace("cpu: 500m", "cpu: '4'"))
    tried = json.loads(hubernate("apply", "-f", str(file), "--dry-run", "-o", "json").stdout)
    assert [each["result"] for each in tried] == [f"{word} (dry run)" for word in ("unchanged", "changed", "unchanged")]
    assert hubernate("export").stdout == first
    hubernate("apply", "-f", str(file))
    assert yaml.safe_load(hubernate("export", "chemistry").stdout)["quota"]["cpu"] == "4"


def test_a_template_can_be_applied(hubernate: Command) -> None:
    made = hubernate("template", "tenant").stdout.replace("physics", "chemistry")
    assert "created" in hubernate("apply", "-f", "-", given=made).stdout
    schema = json.loads(hubernate("template", "schema").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    editor = jsonschema.Draft202012Validator(schema)
    written = yaml.safe_load(made)
    assert [each.message for each in editor.iter_errors(written)] == []
    assert list(editor.iter_errors(written | {"quota": {"memroy": "1Gi"}})), "an editor marks it"
    exported = yaml.safe_load(hubernate("export", "chemistry").stdout)
    assert [each.message for each in editor.iter_errors(exported)] == []


def test_looking_and_changing(hubernate: Command, service: Running) -> None:
    server = service.start("ada")
    assert "4 GiB" in hubernate("quota", "physics").stdout
    assert server.id in hubernate("servers", "physics").stdout
    assert "yes" in hubernate("profiles", "physics").stdout
    hubernate("servers", "--do", "save", "--server", server.id)
    agent = service.agent()
    agent.finish(agent.order())
    assert len(json.loads(hubernate("checkpoints", server.id, "-o", "json").stdout)) == 1
    assert "PT30M" in hubernate("culling", "set", "physics", "idle_after=PT30M", "--dry-run").stdout
    assert "PT1H" in hubernate("culling", "show", "physics").stdout
    tried = hubernate("culling", "preview", "physics", "idle_after=PT30M").stdout
    assert "after 30 minutes without activity" in tried and "0 of 1 would be put to sleep now" in tried
    assert "idle_after: PT1H" in hubernate("culling", "show", "physics").stdout, "it was only tried"
    assert "server.save" in hubernate("audit", "physics").stdout
    assert json.loads(hubernate("audit", "--export").stdout.splitlines()[0])["action"] == "server.save"
    assert hubernate("audit", "--check").stdout == "whole\n"


def test_a_checkpoint_is_pinned_and_what_goes_is_shown_beforehand(hubernate: Command, service: Running) -> None:
    server, agent = service.start("ada"), service.agent()
    for _ in range(3):
        hubernate("servers", "--do", "save", "--server", server.id)
        agent.finish(agent.order())
        service.clock.move(minutes=1)
    _, middle, oldest = json.loads(hubernate("checkpoints", server.id, "-o", "json").stdout)
    assert json.loads(hubernate("checkpoints", "preview", "physics", "-o", "json").stdout)["items"] == []
    strict = ("checkpoints", "preview", "physics", "--rule", "keep_count=1", "-o", "json")
    would = json.loads(hubernate(*strict).stdout)["items"]
    assert [(each["checkpoint"], each["why"]) for each in would] == [(oldest["id"], "count"), (middle["id"], "count")]
    assert "yes" in hubernate("checkpoints", "pin", middle["id"]).stdout
    assert [each["checkpoint"] for each in json.loads(hubernate(*strict).stdout)["items"]] == [oldest["id"]]
    hubernate("checkpoints", "unpin", middle["id"])
    assert len(json.loads(hubernate(*strict).stdout)["items"]) == 2
    assert "keep_count=3" in hubernate("checkpoints", "preview", "physics", "--rule", "three", code=2).stderr
    assert len(json.loads(hubernate("checkpoints", server.id, "-o", "json").stdout)) == 3, "nothing was changed"
    assert "checkpoint.pin" in hubernate("audit", "physics").stdout


def test_a_team_image_is_offered_after_reading_what_is_in_it(hubernate: Command, service: Running) -> None:
    server, agent = service.start("ada"), service.agent()
    hubernate("servers", "--do", "save", "--server", server.id)
    agent.finish(agent.order())
    (saved,) = json.loads(hubernate("checkpoints", server.id, "-o", "json").stdout)
    promote = ("team-images", "promote", "physics", saved["id"], "lab")
    asked = hubernate(*promote, given="n\n", code=1)
    assert "ada changed outside the home folder" in asked.stdout
    assert json.loads(hubernate("team-images", "physics", "-o", "json").stdout) == []
    assert "is being prepared" in hubernate(*promote, given="y\n").stdout
    assert "ada" in hubernate("team-images", "list", "physics").stdout
    assert "is a team image 'lab' already" in hubernate(*promote, "--yes", code=2).stderr
    hubernate("team-images", "retire", "physics", "lab", "--yes")
    assert json.loads(hubernate("team-images", "list", "physics", "-o", "json").stdout) == []


def test_a_team_is_deleted_by_typing_its_name_after_it_was_exported(
    hubernate: Command, service: Running, tmp_path: Path
) -> None:
    hubernate("apply", "-f", "-", given="kind: Tenant\nname: chemistry\nmembers: [{user: nina}]\n")
    service.agent().poll()  # it is known what runs
    file = tmp_path / "chemistry.yaml"
    delete = ("tenants", "delete", "chemistry", "--export", str(file))
    assert "0 environments" in hubernate(*delete, "--dry-run").stdout
    assert not file.exists()
    assert "is not chemistry" in hubernate(*delete, "--confirm", "chemisty", code=2).stderr
    nowhere = str(tmp_path / "nowhere" / "kept.yaml")
    assert "cannot be written" in hubernate("tenants", "delete", "chemistry", "--export", nowhere, code=2).stderr
    assert "no such team" in hubernate("tenants", "delete", "alchemy", "--export", str(file), code=2).stderr
    assert not file.exists()
    assert not yaml.safe_load(hubernate("export", "chemistry").stdout).get("suspended"), "nothing was changed"
    refused = hubernate(*delete, given="physics\n", code=2)
    assert "Deleting chemistry removes" in refused.stdout
    assert "nothing was removed" in refused.stderr
    assert yaml.safe_load(file.read_text())["tenant"]["members"] == [{"user": "nina", "role": "member"}]
    assert yaml.safe_load(hubernate("export", "chemistry").stdout)["suspended"]
    assert "is there already" in hubernate(*delete, given="chemistry\n", code=2).stderr
    file.unlink()
    hubernate(*delete, given="chemistry\n")
    assert "chemistry" not in hubernate("tenants").stdout
    hubernate("tenants", "leaving")


def test_several_platforms_are_switched_between_and_forgotten(
    hubernate: Command, service: Running, tmp_path: Path
) -> None:
    token = service.person("ada", groups=("physics",)).token
    hubernate("login", service.url, "--name", "work", given=token + "\n")
    assert "physics" in hubernate("tenants").stdout
    assert "biology" not in hubernate("tenants").stdout, "as ada"
    assert "biology" in hubernate("tenants", "--context", "default").stdout
    listed = hubernate("contexts", "-o", "json").stdout
    assert [(each["name"], each["current"]) for each in json.loads(listed)] == [("default", False), ("work", True)]
    assert token not in listed
    hubernate("contexts", "use", "default")
    assert "biology" in hubernate("tenants").stdout
    hubernate("contexts", "remove", "default")
    assert "hubernate contexts use" in hubernate("tenants", code=2).stderr
    assert "no context 'default'" in hubernate("contexts", "use", "default", code=2).stderr
    kept = tmp_path / "config" / "hubernate" / "contexts.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert list(json.loads(kept.read_text())["targets"]) == ["work"]


def test_the_queue_is_listed_and_left(hubernate: Command, service: Running) -> None:
    patch = {"quota": {"servers": 0}}
    assert service.person("root", admin=True)("PATCH", "/tenants/physics", json=patch).status_code == 200
    assert json.loads(hubernate("queue", "physics", "-o", "json").stdout) == []
    assert service.request_start("bob", profile="base", wait=True).status_code == 409, "no room will ever be"
    patch = {"quota": {"servers": 1}}
    assert service.person("root", admin=True)("PATCH", "/tenants/physics", json=patch).status_code == 200
    service.start("ada")
    place = service.request_start("bob", profile="base", wait=True).json()["id"]
    assert "uses 1 of 1 running servers" in hubernate("queue", "physics").stdout.replace("\n", " ")
    assert place in hubernate("queue", "--cancel", place).stdout
    assert json.loads(hubernate("queue", "physics", "-o", "json").stdout) == []


def test_use_and_prices(hubernate: Command, service: Running, tmp_path: Path) -> None:
    server = service.start("ada")
    team, day = server.ticket.tenant_id, date(2026, 11, 24)
    amounts = {"cpu": 5 * unit_of("cpu").size // 2, "amd.com/gpu": 7 * 3600}
    counts: dict[Key, int] = {
        (each, who, day, name): amount
        for name, amount in amounts.items()
        for each, who in ((team, "ada"), (team, ""), ("", ""))
    }
    service.inside.store.now(usage.add, counts)
    days = ("--from", "2026-11-01", "--to", "2026-11-30")
    heading, *lines = hubernate("usage", "physics", *days).stdout.splitlines()
    at = heading.index("amd.com/gpu-HOURS")
    assert [line[at:].split()[0] for line in lines] == ["7", "7"], "the team and the total"
    assert "2.5" in lines[0]
    file = tmp_path / "prices.yaml"
    file.write_text("currency: EUR\nprices: {cpu: 0.10, nvidia.com/gpu: '2'}\n")
    assert "0.10" in hubernate("prices", "-f", str(file)).stdout, "the very words of the file"
    file.write_text("currency: EUR\nprices: {cpu: -1}\n")
    assert "is no price" in hubernate("prices", "-f", str(file), code=2).stderr
    table = hubernate("usage", "physics", *days, "--by", "person").stdout
    assert "COST EUR" in table and "ada" in table and "0.25" in table and "total" in table
    assert json.loads(hubernate("usage", *days, "-o", "json").stdout)["total"]["cost"] == "0.25"
    assert yaml.safe_load(hubernate("usage", *days, "-o", "yaml").stdout)["currency"] == "EUR"
    rows = hubernate("usage", *days, "--by", "day", "-o", "csv").stdout.splitlines()
    assert rows[1].startswith("2026-11-24,") and rows[1].endswith(",0.25,EUR")
    assert "is behind" in hubernate("usage", "--from", "2026-12-01", "--to", "2026-11-01", code=2).stderr


def test_exit_codes_and_messages_say_what_to_do(hubernate: Command, service: Running) -> None:
    assert "no such team" in hubernate("quota", "nothing", code=2).stderr
    refused = hubernate("apply", "-f", "-", given="kind: Tenant\nname: physics\nquota: {memroy: 1Gi}\n", code=2)
    assert "did you mean 'memory'" in refused.stderr
    assert "hubernate login" in hubernate("tenants", "--context", "other", code=2).stderr
    assert hubernate("login", "http://127.0.0.1:9", given="x\n", code=3).stderr


@pytest.mark.parametrize(
    "text", ["", "[]", "name: x", "kind: Tenant", "kind: Tenant\nname: [1]", "a: [", "!!python/object:x {}"]
)
def test_a_file_that_is_no_team_sends_nothing(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput):
        read_documents(str(file))


def test_sources_are_registered_tested_and_forgotten(hubernate: Command, tmp_path: Path) -> None:
    spec, key = tmp_path / "lake.yaml", tmp_path / "key.yaml"
    # 192.0.2.0/24 is for examples: nobody is there, and by default nobody may be asked there.
    spec.write_text(
        "name: lake\nplace: {kind: s3, bucket: team-lake, endpoint: 'http://192.0.2.1:9000'}\n"
        "grants: {tenant: read, members: {ada: write}}\n"
    )
    key.write_text("access_key_id: key\nsecret_access_key: canary-93f\n")
    added = hubernate("sources", "add", "physics", "-f", str(spec), "--credential", str(key), code=2)
    assert "Registered lake" in added.stdout and "did not open; nothing was sent there" in added.stderr
    assert "canary-93f" not in added.stdout + added.stderr
    listed = json.loads(hubernate("sources", "list", "physics", "-o", "json").stdout)
    assert [(each["name"], each["kind"]) for each in listed] == [("lake", "s3")]
    assert json.loads(hubernate("sources", "list", "biology", "-o", "json").stdout) == []
    assert "new key: 1." in hubernate("sources", "rotate-keys").stdout
    spec.write_text("name: lake\nplace: {kind: s3, bucket: team-lake, password: x}\n")
    refused = hubernate("sources", "add", "physics", "-f", str(spec), code=2).stderr
    assert "place" in refused and "password" in refused
    spec.write_text("name: [lake\n")
    assert "is no YAML" in hubernate("sources", "add", "physics", "-f", str(spec), code=2).stderr
    hubernate("sources", "remove", "physics", "lake", "--yes")
    assert json.loads(hubernate("sources", "list", "physics", "-o", "json").stdout) == []


def commands(command: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every command by its path, with its help."""
    below = getattr(command, "commands", {})
    if not below:
        yield path, command.help or ""
    for name, each in below.items():
        if not getattr(each, "hidden", False):
            yield from commands(each, f"{path} {name}")


def test_every_command_has_help_with_an_example() -> None:
    found = dict(commands(typer.main.get_command(make_app()), "hubernate"))
    assert len(found) > 25
    for path, text in found.items():
        assert f"Example: {path.removesuffix(' list')}" in text, path


def test_the_shell_completes_commands() -> None:
    program = Path(sys.executable).with_name("hubernate")
    for words, number, offered in (("ten", "1", ["tenants"]), ("tenants de", "2", ["delete"])):
        asked = {"_HUBERNATE_COMPLETE": "complete_bash", "COMP_WORDS": f"hubernate {words}", "COMP_CWORD": number}
        done = subprocess.run([program], env=os.environ | asked, text=True, capture_output=True, check=False)
        assert done.stdout.split() == offered

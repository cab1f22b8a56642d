"""The main job over the API: work, stop, come back; everything outside home and in it is as it was left (P1, P2)."""

import pytest

from support.installation import Installation, wait_until

pytestmark = [pytest.mark.platform, pytest.mark.docker, pytest.mark.timeout(900)]


@pytest.fixture(autouse=True)
def everybody_sleeps(platform: Installation) -> None:
    """Other files of this worker may have left servers running."""
    for name in ("ada", "grace", "linus"):
        person = platform.person(name)
        if (person.server() or {}).get("ready"):
            person.stop()


def test_packages_files_and_home_survive_a_stop(platform: Installation) -> None:
    ada = platform.person("ada")
    ada.start(profile="base", tenant="research")
    ada.shell("pip install --quiet cowsay && echo notes > ~/notes.txt && echo tool > /opt/env/mine.txt")
    ada.shell(
        "rm /opt/env/bin/pip3; mkdir -p /opt/env/etc/x && echo 1 > /opt/env/etc/x/y && chmod 640 /opt/env/mine.txt"
    )
    before = ada.shell("pip freeze --all; stat -c '%a %s %Y %n' /opt/env/mine.txt ~/notes.txt /opt/env/etc/x/y")
    ada.stop()
    assert not platform.containers("notebook", ada.platform_server()["id"]), "a stopped server has no container"
    newest = ada.checkpoints()[0]
    assert newest["size"] > 0 and newest["usable"]
    ada.start()
    assert ada.shell("pip freeze --all; stat -c '%a %s %Y %n' /opt/env/mine.txt ~/notes.txt /opt/env/etc/x/y") == before
    assert ada.run("import cowsay; print(cowsay.__name__)").strip() == "cowsay"


def test_an_earlier_checkpoint_and_a_clean_start_delete_nothing(platform: Installation) -> None:
    grace = platform.person("grace")
    grace.start(profile="base", tenant="research")
    grace.shell("echo first > /opt/env/which.txt")
    assert grace.save("first")["outcome"] == "saved"
    grace.shell("echo second > /opt/env/which.txt")
    grace.stop()
    first = next(each for each in grace.checkpoints() if each["name"] == "first")

    grace.start(profile="base", tenant="research", start="checkpoint", checkpoint_id=first["id"])
    assert grace.shell("cat /opt/env/which.txt").strip() == "first"
    grace.stop()
    grace.start(profile="base", tenant="research", start="clean")
    assert grace.shell("ls /opt/env/which.txt || true").strip().endswith("No such file or directory")
    grace.stop()
    assert first["id"] in [each["id"] for each in grace.checkpoints()]


def test_save_now_leaves_the_server_running(platform: Installation) -> None:
    linus = platform.person("linus")
    linus.start(profile="base", tenant="analytics")
    container = platform.containers("notebook", linus.platform_server()["id"])[0].id
    operation = linus.save("checkpoint one")
    assert operation["outcome"] == "saved"
    assert linus.checkpoints()[0]["name"] == "checkpoint one"
    assert platform.containers("notebook", linus.platform_server()["id"])[0].id == container
    assert linus.run("print('still here')").strip() == "still here"
    linus.stop()


def test_a_person_who_broke_their_environment_starts_safely(platform: Installation) -> None:
    linus = platform.person("linus")
    linus.start(profile="base", tenant="analytics")
    linus.shell(
        "echo keep > /opt/env/keep.txt && /opt/env/bin/pip uninstall --quiet --yes ipykernel jupyter_client traitlets"
    )
    linus.stop()
    linus.start(profile="base", tenant="analytics", start="safe")
    assert linus.shell("cat /opt/env/keep.txt").strip() == "keep"
    linus.stop()


def test_jupyterlab_is_out_of_the_users_reach(platform: Installation) -> None:
    ada = platform.person("ada")
    if not (ada.server() or {}).get("ready"):
        ada.start(profile="base", tenant="research")
    assert ada.shell("touch /opt/lab/x 2>&1 || true").strip().endswith("Permission denied")
    wait_until("JupyterLab answers", lambda: ada.notebook("GET", "lab").status_code == 200)

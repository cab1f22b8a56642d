"""What `hubernate down` says of notebooks that it leaves behind."""

import pytest

from hubernate_core.names import ROLE_LABEL, ServerId, new_id
from hubernate_machine.down import LeftBehind, left_behind
from support.engine import drop_images, engine, push_base, registry, remove_all, start_notebook


@pytest.mark.docker
def test_running_and_stopped_notebooks_are_told_apart() -> None:
    client, instance = engine(), f"t{new_id()}"
    with registry() as process:
        try:
            image = push_base(client, process).reference
            runs, stopped, never = (start_notebook(client, image, instance, ServerId(new_id())) for _ in range(3))
            stopped.kill()
            stopped.wait()
            name, labels = never.name, never.labels
            never.remove(force=True)
            client.containers.create(image, name=name, labels=labels, network_mode="none")
            assert left_behind(client, instance) == LeftBehind(running=(runs.name,), unsaved=(stopped.name,))
            works = {**labels, ROLE_LABEL: "job"}
            job = client.containers.run(image, "sleep 1000", detach=True, labels=works, network_mode="none")
            assert left_behind(client, instance).jobs == (job.name,)
            assert left_behind(client, f"t{new_id()}") == LeftBehind((), ())
        finally:
            remove_all(client, instance)
            drop_images(client, process.name)
            client.close()


def test_a_stopped_notebook_that_is_not_saved_is_named_and_not_called_saved() -> None:
    text = " ".join(LeftBehind((), ("hbn-one",)).lines())
    assert "not saved yet: hbn-one" in text and "do not remove" in text and "hubernate up" in text
    assert "brings everything back" not in text
    assert "fence" not in text, "nobody runs, so none stays"


def test_a_notebook_left_running_is_named() -> None:
    text = " ".join(LeftBehind(("hbn-two",), ()).lines())
    assert "Left running, because they could not be saved: hbn-two" in text and "not saved yet" not in text


def test_a_job_that_goes_on_is_named_with_the_fence_around_it() -> None:
    text = " ".join(LeftBehind((), (), ("hbn-job",)).lines())
    assert "Jobs that go on: hbn-job" in text and "The fence around them stays" in text


def test_nothing_left() -> None:
    (line,) = LeftBehind((), ()).lines()
    assert line.startswith("Stopped.")

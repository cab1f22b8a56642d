"""Settings of jobs: ``c.Jobs.…`` beside ``c.HubernateService.…``."""

from traitlets import Float, Integer, Unicode
from traitlets.config import Configurable


class Jobs(Configurable):  # type: ignore[misc]  # traitlets is not typed
    """Jobs on one Docker machine."""

    docker_url = Unicode(
        help="Docker Engine that jobs run on. Default: as DOCKER_HOST says, else the machine's own socket."
    ).tag(config=True)
    at_once = Integer(
        32,
        min=1,
        help="Jobs that run on the platform at the same time; others wait, teams taking turns. Default 32. What each"
        " team may use is its quota's to say; this is what one machine can bear.",
    ).tag(config=True)
    waiting_max = Integer(
        5000, min=1, help="Jobs of one team that wait at the same time; more are refused. Default 5000."
    ).tag(config=True)
    waiting_of_person_max = Integer(
        1000,
        min=1,
        help="Jobs of one person in one team that wait at the same time; more are refused. Default 1000.",
    ).tag(config=True)
    schedules_of_person_max = Integer(
        100, min=0, help="Schedules of one person in one team; more are refused. Default 100."
    ).tag(config=True)
    schedule_late_s = Float(
        300,
        min=0,
        help="Seconds by which a schedule's time may be found late without having been missed. Default 300: a restart"
        " of the service is no downtime. What was missed runs once, or not at all, as the schedule says.",
    ).tag(config=True)
    files_max_bytes = Integer(
        256 * 1024**2,
        help="Files sent with one job, bytes. Default 256 MiB: what is larger belongs into the home or a source.",
    ).tag(config=True)
    files_of_person_max_bytes = Integer(
        2 * 1024**3,
        help="Files of one person in one team that are kept for their jobs, bytes. Default 2 GiB; more is refused.",
    ).tag(config=True)
    log_max_bytes = Integer(
        64 * 1024**2,
        help="What is kept of one attempt's log, bytes: its beginning and its newest part. Default 64 MiB.",
    ).tag(config=True)
    outputs_max_bytes = Integer(
        1024**3, help="What is kept of one job's outputs, bytes. Default 1 GiB; the rest is named and left out."
    ).tag(config=True)
    keep_days = Float(30, help="Days for which a job that is over is kept, with its log and outputs. Default 30.").tag(
        config=True
    )

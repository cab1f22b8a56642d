"""The platform's long-running programs as supervisord sees them. Text in, text out."""

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hubernate_core.platform_file import Platform

from . import proxy, registry
from .layout import Layout

PROGRAM_VARIABLE = "HUBERNATE_PROGRAM"
"""In the environment of our programs alone, so that orphans can be told from a person's shell."""
PLATFORM_VARIABLE = "HUBERNATE_PLATFORM"
"""In the environment of those that read platform.json: its digest."""
LOG_BYTES = "10MB"
LOG_BACKUPS = 5
STOP_S = {"hub": 30, "service": 30, "registry": 30, "proxy": 10}


@dataclass(frozen=True)
class Program:
    """One supervised program. `secret_env` maps a variable to the file it is read from when the program starts."""

    name: str
    command: Sequence[str]
    directory: Path
    priority: int
    env: Mapping[str, str] = field(default_factory=dict)
    secret_env: Mapping[str, Path] = field(default_factory=dict)


def programs(platform: Platform, layout: Layout, project: Path, binaries: Path) -> tuple[Program, ...]:
    """Registry, proxy, platform service and hub, in the order in which they start.

    Args:
        binaries: folder of this environment's commands.
    """
    ports, bridge = platform.ports, platform.bridge_address
    # Both read platform.json when they start: with its digest here, supervisord restarts them when anything in it is
    # new, such as the bridge's address or the gate's image.
    digest = hashlib.sha256(platform.model_dump_json().encode()).hexdigest()[:16]
    env = {
        "HUBERNATE_STATE": str(layout.root),
        "HUBERNATE_INSTANCE": platform.instance,
        "PATH": f"{binaries}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONUNBUFFERED": "1",
    }
    return (
        Program(
            "registry",
            ["docker-registry", "serve", str(registry.config_file(layout))],
            layout.folder("registry"),
            10,
            env,
        ),
        Program(
            "proxy",
            [
                *proxy.command(project),
                "--ip", "127.0.0.1", "--port", str(ports.public),
                "--api-ip", "127.0.0.1", "--api-port", str(ports.proxy_api),
                "--default-target", f"http://{bridge}:{ports.hub}",
                "--error-target", f"http://{bridge}:{ports.hub}/hub/error",
                "--log-level", "warn",
            ],
            layout.folder("run"),
            20,
            env,
            {"CONFIGPROXY_AUTH_TOKEN": layout.secret("proxy-token")},
        ),
        Program(
            "service",
            [str(binaries / "hubernate-service"), "--config", str(project / "config/hubernate_service_config.py")],
            layout.folder("service"),
            30,
            {**env, PLATFORM_VARIABLE: digest},
        ),
        Program(
            "hub",
            [str(binaries / "jupyterhub"), "-f", str(project / "config/jupyterhub_config.py")],
            layout.folder("hub"),
            40,
            {**env, PLATFORM_VARIABLE: digest},
        ),
    )  # fmt: skip


def section(program: Program, layout: Layout) -> str:
    """The program's part of supervisord.conf."""
    command = shlex.join(program.command)
    if program.secret_env:
        reads = " ".join(f'{name}="$(cat {shlex.quote(str(path))})"' for name, path in program.secret_env.items())
        command = shlex.join(["/bin/sh", "-c", f"{reads} exec {command}"])
    marked = {**program.env, PROGRAM_VARIABLE: program.name}
    env = ",".join(f'{name}="{_escape(value)}"' for name, value in marked.items())
    return f"""
[program:{program.name}]
command={_escape(command)}
directory={_escape(str(program.directory))}
environment={env}
priority={program.priority}
autostart=true
autorestart=true
startsecs=5
startretries=60
stopsignal=TERM
stopwaitsecs={STOP_S[program.name]}
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(str(layout.folder("log") / program.name))}.log
stdout_logfile_maxbytes={LOG_BYTES}
stdout_logfile_backups={LOG_BACKUPS}
"""


def _escape(text: str) -> str:
    """supervisord expands ``%(name)s``."""
    return text.replace("%", "%%")


def configuration(all_programs: Sequence[Program], layout: Layout) -> str:
    """The whole supervisord.conf: a unix socket of ours alone, logs that turn over."""
    run = layout.folder("run")
    head = f"""\
; Written by `hubernate up`; changes are lost.
[unix_http_server]
file={_escape(str(run / "supervisor.sock"))}
chmod=0700

[supervisord]
logfile={_escape(str(layout.folder("log") / "supervisord.log"))}
logfile_maxbytes={LOG_BYTES}
logfile_backups=2
pidfile={_escape(str(run / "supervisord.pid"))}
childlogdir={_escape(str(layout.folder("log")))}
umask=077
minfds=4096

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{_escape(str(run / "supervisor.sock"))}
"""
    return head + "".join(section(program, layout) for program in all_programs)

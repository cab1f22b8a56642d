"""Write docs/reference/*.md from the code: settings from traits, the API from OpenAPI, commands from the CLI, metrics.

python tools/reference.py            write the pages
python tools/reference.py --check    exit 1 and say which page is not as the code says
"""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import traitlets

PAGES = Path(__file__).resolve().parents[1] / "docs" / "reference"
PACKAGES = (
    "hubernate_hub",
    "hubernate_spawner",
    "hubernate_checkpointer",
    "hubernate_gate",
    "hubernate_server",
    "hubernate_machine",
)
NOT_MODULES = ("__main__", "notebook_config")
"""Files that only run: as a program, or as another program's configuration."""
HEADER = "<!-- Written by tools/reference.py from the code; edit there. -->\n\n"


def modules() -> Iterator[Any]:
    """Every module of every deployable that can hold settings."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            leaf = found.name.rpartition(".")[2]
            if "migrations" not in found.name and leaf not in NOT_MODULES:
                yield importlib.import_module(found.name)


def trait_classes() -> list[type[traitlets.HasTraits]]:
    """Our own classes with configurable traits, by name."""
    found = {
        value
        for module in modules()
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, traitlets.HasTraits)
        and value.__module__ == module.__name__
        and value.class_own_traits(config=True)
    }
    return sorted(found, key=lambda each: each.__name__)


def default_of(trait: traitlets.TraitType[Any, Any]) -> str:
    """The default as a reader would write it."""
    value = trait.default_value
    return "computed" if value is traitlets.Undefined else f"`{value!r}`"


def one_line(text: str) -> str:
    """`text` for a table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def settings_page() -> str:
    """One table a class."""
    parts = [
        "# Settings\n",
        "Set them as `c.CLASS.NAME = value` in the process's configuration file.\n",
    ]
    for each in trait_classes():
        summary = (each.__doc__ or "").strip().splitlines()[0]
        parts.append(f"## {each.__name__}\n\n{summary}\n\n| setting | default | meaning |\n|---|---|---|")
        for name, trait in sorted(each.class_own_traits(config=True).items()):
            parts.append(f"| `{name}` | {default_of(trait)} | {one_line(trait.help)} |")
        parts.append("")
    return "\n".join(parts)


def api_page() -> str:
    """One row a route, from the OpenAPI document."""
    from hubernate_hub.app import openapi

    document = openapi()
    parts = [
        "# API\n",
        "Below `/services/hubernate`. The OpenAPI document is served at `/services/hubernate/api/v1/openapi.json`.",
        "Errors are `application/problem+json` with the request's id.\n",
        "| route | what it does |\n|---|---|",
    ]
    for path, verbs in sorted(document["paths"].items()):
        for verb, operation in verbs.items():
            text = operation.get("description") or operation.get("summary", "")
            parts.append(f"| `{verb.upper()} {path}` | {one_line(text)} |")
    return "\n".join(parts) + "\n"


def commands_page() -> str:
    """Every command of `hubernate` with its help."""
    import typer.main

    from hubernate.cli.root import make_app

    parts = ["# Commands\n"]

    def walk(command: Any, path: str) -> None:
        hidden = getattr(command, "hidden", False)
        if hidden:
            return
        parts.append(f"## `{path}`\n\n{(command.help or '').strip()}\n")
        options = [each for each in command.params if getattr(each, "opts", None) and each.name != "help"]
        if options:
            parts.append("| option | meaning |\n|---|---|")
            for each in options:
                text = getattr(each, "help", None) or ""
                names = ", ".join(each.opts) if each.param_type_name == "option" else f"{each.name.upper()}"
                parts.append(f"| `{names}` | {one_line(text)} |")
            parts.append("")
        for name in sorted(getattr(command, "commands", {})):
            walk(command.commands[name], f"{path} {name}")

    root = typer.main.get_command(make_app())
    walk(root, "hubernate")
    return "\n".join(parts)


def metrics_page() -> str:
    """Every metric of the service and the agent."""
    from prometheus_client import generate_latest
    from prometheus_client.parser import text_string_to_metric_families

    from hubernate_checkpointer.health import Metrics as AgentMetrics
    from hubernate_hub.metrics import Metrics as ServiceMetrics

    parts = [
        "# Metrics\n",
        "Prometheus' text format. The service's are at `/services/hubernate/metrics` (a hub token of an admin), the",
        "agent's on the unix socket `agent/health.sock` in the state folder.\n",
    ]
    texts = {"platform service": ServiceMetrics().text(), "agent": generate_latest(AgentMetrics().registry)}
    for process, text in texts.items():
        parts.append(f"## {process}\n\n| metric | type | meaning |\n|---|---|---|")
        for metric in text_string_to_metric_families(text.decode()):
            if not metric.name.endswith("_created"):
                parts.append(f"| `{metric.name}` | {metric.type} | {one_line(metric.documentation)} |")
        parts.append("")
    return "\n".join(parts)


def tenant_schema() -> str:
    """The JSON Schema of a team's file, for editors."""
    import json

    from hubernate.cli.documents import schema

    return json.dumps(schema(), indent=2) + "\n"


WRITTEN: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "api.md": api_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
    "tenant.schema.json": tenant_schema,
}


def main() -> int:
    """Write or check the pages; the number of pages that differ."""
    check = "--check" in sys.argv[1:]
    stale = 0
    for name, build in WRITTEN.items():
        text, page = (HEADER if name.endswith(".md") else "") + build(), PAGES / name
        if page.exists() and page.read_text() == text:
            continue
        stale += 1
        if check:
            sys.stderr.write(f"{page} is not as the code says: run python tools/reference.py\n")
        else:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
    return min(stale, 1) if check else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""The dashboard and the alerts ask only for metrics and labels that the service and the agent really have."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from hubernate_checkpointer.health import Metrics as AgentMetrics
from hubernate_hub.metrics import Metrics as ServiceMetrics

FOLDER = Path(__file__).resolve().parents[2] / "config" / "monitoring"
SERIES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}


def known() -> dict[str, set[str]]:
    """Every series with its labels."""
    found: dict[str, set[str]] = {"up": {"job", "instance"}}
    for registry in (ServiceMetrics()._registry, AgentMetrics().registry):
        assert isinstance(registry, CollectorRegistry)
        for collector in registry._collector_to_names:
            for suffix in SERIES[collector._type]:  # type: ignore[attr-defined]
                labels = set(collector._labelnames)  # type: ignore[attr-defined]
                found[collector._name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())  # type: ignore[attr-defined]
    return found


def questions() -> Iterator[tuple[str, str, str]]:
    """Where it stands, the expression, and the texts that name its labels."""
    for panel in json.loads((FOLDER / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], " ".join(rule["annotations"].values())


def names_in(expression: str) -> set[str]:
    """The series it asks for."""
    return set(re.findall(r"\b(?:hubernate_\w+|up)\b(?=[\s{\[)]|$)", re.sub(r'"[^"]*"', '""', expression)))


def labels_in(expression: str, text: str) -> set[str]:
    """The labels that its selectors, groupings and texts name."""
    plain = re.sub(r'"[^"]*"', '""', expression)
    selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", plain)
    grouped = [each.strip() for some in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", plain) for each in some.split(",")]
    shown = re.findall(r"\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}", text)
    return {*selected, *grouped, *shown}


@pytest.mark.parametrize(("where", "expression", "text"), list(questions()), ids=lambda each: str(each)[:40])
def test_it_asks_for_what_there_is(where: str, expression: str, text: str) -> None:
    series, names = known(), names_in(expression)
    assert names, f"{where} asks for nothing"
    assert names <= series.keys(), f"{where}: no such metric"
    assert labels_in(expression, text) <= set().union(*(series[name] for name in names)), f"{where}: no such label"


def test_a_name_that_is_not_there_would_be_seen() -> None:
    assert not names_in("rate(hubernate_request_secs_count[5m]) > 0") <= known().keys()
    assert labels_in('sum by (le, knd) (hubernate_servers{stat="x"})', "{{ $labels.node }} {{loop}}") == {
        "le", "knd", "stat", "node", "loop",
    }  # fmt: skip


def test_every_alert_says_what_it_means() -> None:
    rules = [
        rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 8
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description"} == rule["annotations"].keys()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool is installed (apt-get install prometheus)")
def test_promtool_takes_the_alerts() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", FOLDER / "alerts.yaml"], text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr

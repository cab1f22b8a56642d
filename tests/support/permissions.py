"""The rights that an installation gives, as config/kubernetes has them: fakes hold the platform to them."""

import re
from typing import Any

import yaml

from support.installation import ROOT

FILE = ROOT / "config" / "kubernetes" / "base" / "permissions.yaml"
_OURS = re.compile(r"\bhubernate\b")


def rights(instance: str, namespace: str = "") -> list[dict[str, Any]]:
    """Cluster roles and bindings of an installation, its accounts in `namespace` (the instance's name if none)."""
    documents = list(yaml.safe_load_all(FILE.read_text()))
    for each in documents:
        each["metadata"]["name"] = _OURS.sub(instance, each["metadata"]["name"])
        for rule in each.get("rules", ()):
            if "resourceNames" in rule:
                rule["resourceNames"] = [_OURS.sub(instance, name) for name in rule["resourceNames"]]
        if "roleRef" in each:
            each["roleRef"]["name"] = _OURS.sub(instance, each["roleRef"]["name"])
        for subject in each.get("subjects", ()):
            subject["namespace"] = namespace or instance
    return documents

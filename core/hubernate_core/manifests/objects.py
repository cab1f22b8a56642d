"""The head that every object of ours has."""

from collections.abc import Mapping
from typing import Any

from ..names import MANAGED_BY

JsonObject = dict[str, Any]

PROXY, HUB, SERVICE = "proxy", "hub", "service"
"""Components of the platform, as their pods are labelled; hub and service accounts have the same names."""
HUB_PORT, SERVICE_PORT = 8081, 8082


def make_object(
    api: str,
    kind: str,
    name: str,
    namespace: str = "",
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> JsonObject:
    """An object with its metadata and nothing else; empty parts are left out.

    Args:
        api: group and version, such as ``v1`` or ``networking.k8s.io/v1``.
        namespace: empty for an object of the whole cluster.
    """
    metadata: JsonObject = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    metadata["labels"] = {MANAGED_BY: "hubernate"} | dict(labels or {})
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api, "kind": kind, "metadata": metadata}

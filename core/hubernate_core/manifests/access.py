"""Who may do what in a tenant's namespace, and what its pods are given: one service account, pull secret, CA bundle."""

import base64
from collections.abc import Mapping

from ..errors import InvalidInput
from ..names import check_instance
from .objects import HUB, JsonObject, make_object

NOTEBOOK_ACCOUNT = "notebook"
"""Ours rather than ``default``, which a controller makes some time after the namespace: no start has to wait for it."""
PULL_SECRET = "hubernate-pull"
CA_CONFIG_MAP = "hubernate-ca"
CA_KEY = "ca-bundle.crt"
HUB_RULES: tuple[JsonObject, ...] = (
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "get", "delete"]},
    # A patch would answer with the content of any secret; with these two the hub can write and never read.
    {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "update"]},
    {"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["create", "get", "patch"]},
)
_RBAC = "rbac.authorization.k8s.io"


def hub_role(instance: str) -> str:
    """Name of the ClusterRole that is bound in each tenant's namespace and nowhere else.

    A Role in each would need a service that holds, or may escalate to, all that the hub may do; a binding of this one
    needs the right to bind it.
    """
    return f"{check_instance(instance)}-tenant-hub"


def make_hub_role(instance: str) -> JsonObject:
    """What the hub may do inside a tenant's namespace. Installed once; bound by `make_hub_binding` alone."""
    return make_object(f"{_RBAC}/v1", "ClusterRole", hub_role(instance)) | {"rules": [dict(rule) for rule in HUB_RULES]}


def make_hub_binding(namespace: str, labels: Mapping[str, str], instance: str, platform_namespace: str) -> JsonObject:
    """Binds that role to the hub's service account, in this namespace only."""
    made = make_object(f"{_RBAC}/v1", "RoleBinding", "hubernate-hub", namespace, labels)
    return made | {
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": hub_role(instance)},
        "subjects": [{"kind": "ServiceAccount", "name": HUB, "namespace": platform_namespace}],
    }


def make_service_account(namespace: str, labels: Mapping[str, str]) -> JsonObject:
    """The service account of every pod here. No role is bound to it and no token of it is mounted."""
    made = make_object("v1", "ServiceAccount", NOTEBOOK_ACCOUNT, namespace, labels)
    return made | {"automountServiceAccountToken": False}


def make_pull_secret(namespace: str, labels: Mapping[str, str], credentials: str) -> JsonObject:
    """The registry's credentials for the kubelet: the content of a ``.dockerconfigjson``."""
    made = make_object("v1", "Secret", PULL_SECRET, namespace, labels)
    encoded = base64.b64encode(credentials.encode()).decode()
    return made | {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": encoded}}


def make_ca_bundle(namespace: str, labels: Mapping[str, str], pem: str) -> JsonObject:
    """The CA bundle that notebooks mount.

    Raises:
        InvalidInput: no certificate in it, or a private key, or more than a ConfigMap takes (1 MiB).
    """
    if "-----BEGIN CERTIFICATE-----" not in pem or "PRIVATE KEY-----" in pem:
        raise InvalidInput("mirrors.ca_bundle", "is not a PEM bundle of certificates and nothing else")
    if len(pem.encode()) > 1_000_000:
        raise InvalidInput("mirrors.ca_bundle", "is over 1 MB, more than a ConfigMap takes; leave out public ones")
    return make_object("v1", "ConfigMap", CA_CONFIG_MAP, namespace, labels) | {"data": {CA_KEY: pem}}

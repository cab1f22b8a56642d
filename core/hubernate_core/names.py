"""Every identifier, name and label is made or checked here; nothing else builds one from text.

Ids are random, made by the platform service and stored. Engine names are made from ids alone, so that no choice of a
user name can reach another's container, volume, network or repository.
"""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from typing import NewType

from .errors import InvalidInput, shorten
from .grammar import check_dns_label, check_label_key, check_label_value

TenantId = NewType("TenantId", str)
OwnerId = NewType("OwnerId", str)
ServerId = NewType("ServerId", str)
OperationId = NewType("OperationId", str)
CheckpointId = NewType("CheckpointId", str)
SourceId = NewType("SourceId", str)
TeamImageId = NewType("TeamImageId", str)
PlaceId = NewType("PlaceId", str)
JobId = NewType("JobId", str)
ScheduleId = NewType("ScheduleId", str)

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
LABEL_PREFIX = "io.hubernate"
INSTANCE_LABEL = f"{LABEL_PREFIX}.instance"
ROLE_LABEL = f"{LABEL_PREFIX}.role"
SERVER_LABEL = f"{LABEL_PREFIX}.server"
GENERATION_LABEL = f"{LABEL_PREFIX}.generation"
TENANT_LABEL = f"{LABEL_PREFIX}.tenant"
OWNER_LABEL = f"{LABEL_PREFIX}.owner"
JOB_LABEL = f"{LABEL_PREFIX}.job"
ATTEMPT_LABEL = f"{LABEL_PREFIX}.attempt"

KUBE_PREFIX = "hubernate.io"
"""The same labels on Kubernetes, in the form it allows; values are ids, the role excepted."""
KUBE_INSTANCE = f"{KUBE_PREFIX}/instance"
KUBE_TENANT = f"{KUBE_PREFIX}/tenant"
KUBE_OWNER = f"{KUBE_PREFIX}/owner"
KUBE_SERVER = f"{KUBE_PREFIX}/server"
KUBE_GENERATION = f"{KUBE_PREFIX}/generation"
KUBE_ROLE = f"{KUBE_PREFIX}/role"
MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"
"""On the platform's own pods: ``hub``, ``proxy``, ``service``, ``agent``, ``registry``. Policies select by it."""

SHOW_USER = f"{KUBE_PREFIX}/user"
"""Annotations are for people who look with kubectl: free text, shown, never read back."""
SHOW_SERVER_NAME = f"{KUBE_PREFIX}/server-name"
SHOW_TENANT_NAME = f"{KUBE_PREFIX}/tenant-name"
SHOW_PROFILE = f"{KUBE_PREFIX}/profile"
SHOW_CHECKPOINT = f"{KUBE_PREFIX}/checkpoint"
SHOW_OPERATION = f"{KUBE_PREFIX}/operation"

_ID = re.compile(r"[a-z][a-z0-9]{9}")
_SLUG = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,29}")
_USER_BYTES_MAX = 255
_SLUG_RULE = "use 1 to 30 lower-case letters, digits and single hyphens, a letter first"
_RESERVED_TENANTS = frozenset({"default", "hubernate", "hub", "admin", "system", "public"})
_RESERVED_TENANT_PREFIXES = ("kube-", "hubernate-")
_RESERVED_NAMESPACE_PREFIXES = ("kube-", "openshift-")


def new_id() -> str:
    """Ten characters, a letter first: about 50 bits of randomness, valid in every name we build."""
    return id_of(secrets.randbelow(2**128))


def id_of(number: int) -> str:
    """The id that a random `number` of 128 bits stands for: of the same one always the same."""
    number, first = divmod(number, 26)
    found = _ALPHABET[first]
    for _ in range(9):
        number, following = divmod(number, len(_ALPHABET))
        found += _ALPHABET[following]
    return found


def check_id(value: str, field: str) -> str:
    """`value` if it has the form of `new_id`.

    Raises:
        InvalidInput: it has not; the text never reaches a name or a query.
    """
    if not is_id(value):
        raise InvalidInput(field, f"{shorten(value, 40)!r} is not an id of this platform")
    return value


def is_id(text: str) -> bool:
    """Whether `text` has the form of `new_id`; anything else is the id of nothing."""
    return bool(_ID.fullmatch(text))


def normalise_user(name: str) -> str:
    """The one spelling of a user name: NFKC, case folded.

    Raises:
        InvalidInput: empty, dots only, over 255 bytes, or with a slash, backslash, control or format character.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    if not folded or not folded.strip("."):
        raise InvalidInput("user", "a user name needs at least one character that is not a dot")
    if len(folded.encode()) > _USER_BYTES_MAX:
        raise InvalidInput("user", f"a user name has at most {_USER_BYTES_MAX} bytes in UTF-8")
    if any(char in "/\\" or unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp") for char in folded):
        raise InvalidInput("user", f"{shorten(folded, 60)!r} holds a slash, a control or an invisible character")
    if folded != folded.strip():
        raise InvalidInput("user", "a user name does not start or end with a space")
    return folded


def is_slug(text: str) -> bool:
    """Whether `text` has the form of a tenant's, profile's or server's name; anything else names nothing of ours."""
    return bool(_SLUG.fullmatch(text))


def check_server_name(name: str) -> str:
    """A server name by JupyterHub 6's rule: empty (the default server), or 1-30 of a-z, 0-9 and single hyphens.

    Raises:
        InvalidInput: anything else. Source: jupyterhub/handlers/base.py, 6.1.
    """
    if name and not _SLUG.fullmatch(name):
        raise InvalidInput("server_name", f"{shorten(name, 40)!r}: {_SLUG_RULE}")
    return name


def check_tenant_name(name: str) -> str:
    """A tenant's name: as a server name, and none of the words that other systems own.

    Raises:
        InvalidInput: malformed or reserved.
    """
    if not _SLUG.fullmatch(name):
        raise InvalidInput("tenant", f"{shorten(name, 40)!r}: {_SLUG_RULE}")
    if name in _RESERVED_TENANTS or name.startswith(_RESERVED_TENANT_PREFIXES):
        raise InvalidInput("tenant", f"{name!r} is a reserved name")
    return name


def check_profile_name(name: str) -> str:
    """A profile's name, by the same rule as a server name but never empty.

    Raises:
        InvalidInput: malformed.
    """
    if not _SLUG.fullmatch(name):
        raise InvalidInput("profile", f"{shorten(name, 40)!r}: {_SLUG_RULE}")
    return name


def check_instance(name: str) -> str:
    """The name of one installation on an engine; it prefixes every engine name, so it is short.

    Raises:
        InvalidInput: malformed or over 20 characters.
    """
    if not _SLUG.fullmatch(name) or len(name) > 20:
        raise InvalidInput("instance", f"{shorten(name, 40)!r}: use up to 20 lower-case letters, digits and hyphens")
    return name


def notebook_container(instance: str, server: ServerId, generation: int) -> str:
    """Engine name of the notebook container of one start of one server."""
    return f"{instance}-{server}-g{generation}"


def gate_container(instance: str, server: ServerId, generation: int) -> str:
    """Engine name of the gate beside that notebook."""
    return f"{instance}-{server}-g{generation}-gate"


def job_container(instance: str, job: JobId, attempt: int) -> str:
    """Engine name of one attempt at a job: there is never a second container of it."""
    return f"{instance}-job-{job}-a{attempt}"


def home_volume(instance: str, owner: OwnerId) -> str:
    """Engine name of a person's home volume inside one tenant."""
    return f"{instance}-home-{owner}"


def tenant_network(instance: str, tenant: TenantId) -> str:
    """Engine name of a tenant's network."""
    return f"{instance}-net-{tenant}"


def tenant_bridge(tenant: TenantId) -> str:
    """Kernel interface of a tenant's network; Linux allows 15 characters. Every such bridge starts with ``hbn-``."""
    return f"hbn-{tenant}"


def repository(tenant: TenantId, owner: OwnerId) -> str:
    """Registry repository of one person's checkpoints inside the tenant's prefix."""
    return f"t-{tenant}/u-{owner}"


def team_image_repository(tenant: TenantId, image: TeamImageId) -> str:
    """Registry repository of a team image inside the tenant's prefix: nobody else's pods may run it."""
    return f"t-{tenant}/i-{image}"


def profile_repository(profile: str) -> str:
    """Registry repository of a profile's image, which every tenant may pull."""
    return f"profiles/{check_profile_name(profile)}"


def tenant_namespace(instance: str, tenant: TenantId) -> str:
    """Kubernetes namespace of a tenant. At most 33 characters.

    Raises:
        InvalidInput: an id or the instance is malformed, or the name would be one that the cluster keeps for itself.
    """
    made = f"{check_instance(instance)}-t-{check_id(tenant, 'tenant_id')}"
    if made.startswith(_RESERVED_NAMESPACE_PREFIXES):
        raise InvalidInput("instance", f"{instance!r} makes namespaces that belong to the cluster; choose another")
    return check_dns_label(made, "namespace")


def server_pod(instance: str, server: ServerId, generation: int) -> str:
    """Kubernetes name of the pod of one start of one server, and of the Secret with its gate file.

    Raises:
        InvalidInput: an id, the instance or the generation is malformed.
    """
    if isinstance(generation, bool) or not 1 <= generation < 10**12:
        raise InvalidInput("generation", f"{generation!r} is not a generation; they count from 1")
    made = notebook_container(check_instance(instance), ServerId(check_id(server, "server_id")), generation)
    return check_dns_label(made, "pod")


def home_claim(instance: str, owner: OwnerId) -> str:
    """Kubernetes name of the claim of a person's home inside one tenant.

    Raises:
        InvalidInput: the id or the instance is malformed.
    """
    made = home_volume(check_instance(instance), OwnerId(check_id(owner, "owner_id")))
    return check_dns_label(made, "claim")


def label_selector(labels: Mapping[str, str]) -> str:
    """A Kubernetes label selector that means exactly `labels`; a value cannot widen it (B08).

    Raises:
        InvalidInput: a key or value outside the grammar of labels, or no label at all, which would mean everything.
    """
    if not labels:
        raise InvalidInput("selector", "an empty selector means every object")
    return ",".join(
        f"{check_label_key(key, 'selector')}={check_label_value(value, key)}" for key, value in sorted(labels.items())
    )

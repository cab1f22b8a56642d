"""Every identifier, name and label is made or checked here; nothing else builds one from text.

Ids are random, made by the platform service and stored. Engine names are made from ids alone, so that no choice of a
user name can reach another's container, volume, network or repository.
"""

import re
import secrets
import unicodedata
from typing import NewType

from .errors import InvalidInput, shorten

TenantId = NewType("TenantId", str)
OwnerId = NewType("OwnerId", str)
ServerId = NewType("ServerId", str)
OperationId = NewType("OperationId", str)
CheckpointId = NewType("CheckpointId", str)

LABEL_PREFIX = "io.hubernate"
INSTANCE_LABEL = f"{LABEL_PREFIX}.instance"
ROLE_LABEL = f"{LABEL_PREFIX}.role"
SERVER_LABEL = f"{LABEL_PREFIX}.server"
GENERATION_LABEL = f"{LABEL_PREFIX}.generation"
TENANT_LABEL = f"{LABEL_PREFIX}.tenant"

_ID = re.compile(r"[a-z][a-z0-9]{9}")
_SLUG = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,29}")
_USER_BYTES_MAX = 255
_SLUG_RULE = "use 1 to 30 lower-case letters, digits and single hyphens, a letter first"
_RESERVED_TENANTS = frozenset({"default", "hubernate", "hub", "admin", "system", "public"})
_RESERVED_TENANT_PREFIXES = ("kube-", "hubernate-")


def new_id() -> str:
    """Ten characters, a letter first: about 50 bits of randomness, valid in every name we build."""
    alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
    return secrets.choice(alphabet[:26]) + "".join(secrets.choice(alphabet) for _ in range(9))


def check_id(value: str, field: str) -> str:
    """`value` if it has the form of `new_id`.

    Raises:
        InvalidInput: it has not; the text never reaches a name or a query.
    """
    if not _ID.fullmatch(value):
        raise InvalidInput(field, f"{shorten(value, 40)!r} is not an id of this platform")
    return value


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


def profile_repository(profile: str) -> str:
    """Registry repository of a profile's image, which every tenant may pull."""
    return f"profiles/{check_profile_name(profile)}"

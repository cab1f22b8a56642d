"""Amounts and refusals in words: what is used, by whom, the limit, and what would fit. Pure."""

from collections.abc import Iterable

from .quota import Shortfall

_LABELS = {
    "servers": "running servers",
    "jobs": "running jobs",
    "cpu": "cores",
    "memory": "memory",
    "homes": "homes",
    "storage": "home storage",
    "checkpoint_bytes": "saved checkpoints",
}
_BYTES = frozenset({"memory", "storage", "checkpoint_bytes"})
_NAMED = 5
"""People named in a sentence; the rest is counted."""


def label_of(resource: str) -> str:
    """A resource's name for people: ``running servers``, ``cores``, ``nvidia.com/gpu``."""
    return _LABELS.get(resource, resource)


def show_amount(resource: str, amount: int) -> str:
    """An amount for people, in the units in which quotas are written: ``1.5 cores``, ``64 GiB``, ``3``."""
    if resource == "cpu":
        return f"{amount / 1000:g} core{'' if amount == 1000 else 's'}"
    if resource not in _BYTES:
        return str(amount)
    value, unit = float(amount), "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
        if value < 999.5 or unit == "PiB":
            break
        value /= 1024
    return f"{value:.3g} {unit}"


def tell(why: str, fitting: Iterable[str], *, may_wait: bool = False) -> str:
    """A refusal for the person who asked.

    Args:
        why: the sentences that say why it does not fit.
        fitting: titles of the profiles that would fit now.
        may_wait: whether there is a queue for it.
    """
    instead = ", ".join(fitting)
    fits = f"What fits now: {instead}." if instead else "No profile fits now."
    wait = " wait in the queue (start option wait=yes)," if may_wait else ""
    return (
        f"{why} {fits} Nothing was started and nothing that runs was touched. Stop a running environment (it is"
        f" saved first), choose something smaller,{wait} or ask an admin of your team"
    )


def reason(title: str, short: Shortfall) -> str:
    """Why one resource is short, in one sentence."""

    def shown(amount: int) -> str:
        return show_amount(short.resource, amount)

    # Never "you": members, and admins who start for others, read it too.
    whose = f"Team {title}" if short.scope == "tenant" else short.by[0].user
    label = label_of(short.resource)
    if short.limit == 0:
        return f"{whose} may use no {label}."
    users = short.by if short.scope == "tenant" else ()
    names = [f"{each.user} {shown(each.amount)}" for each in users[:_NAMED]]
    if len(users) > _NAMED:
        names.append(f"{len(users) - _NAMED} more {shown(sum(each.amount for each in users[_NAMED:]))}")
    by = f" ({', '.join(names)})" if names else ""
    needs = f"; this needs {shown(short.wanted)} more" if short.wanted else ""
    what = "" if short.resource == "cpu" else f" {label}"  # "4 of 8 cores" says it already
    return f"{whose} uses {shown(short.used)} of {shown(short.limit)}{what}{by}{needs}."

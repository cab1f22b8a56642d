"""Reads the meters: adds what was used since they were read last to the use of each person, tenant and day.

What is added and until when it was counted are one transaction, so that a crash between two looks neither loses nor
doubles anything. While the service is down nothing starts, stops, is saved or deleted (all of it passes here), so what
the first look afterwards finds was so all the time. A job alone may have ended: it counts until that is seen, in its
own cost too, so that both always agree.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from hubernate_core.metering import Span, meter
from hubernate_core.quota import amounts_of

from ..context import Work
from ..store import job_attempts, ledger, tenants, usage

_KEPT_EVERY = timedelta(hours=1)


def read_meters(work: Work) -> None:
    """Count running servers and jobs at every look, homes and checkpoints once an hour."""
    _read(work, "running", timedelta())
    _read(work, "kept", _KEPT_EVERY)


def drop_old(work: Work) -> int:
    """Forget days that are older than the admin wants to keep; how many rows that were."""
    return usage.drop_before(work.tx, (work.now - timedelta(days=work.context.settings.usage_days)).date())


def _read(work: Work, name: str, at_least: timedelta) -> None:
    since, now = usage.read_until(work.tx, name), work.now.replace(microsecond=0)
    if since is not None and (now <= since or now - since < at_least):
        return
    if since is not None:
        spans = _running(work, since, now) if name == "running" else _kept(work, since, now)
        usage.add(work.tx, meter(spans))
    usage.set_read(work.tx, name, now)


def _running(work: Work, since: datetime, now: datetime) -> Iterable[Span]:
    """Servers from ready until the container is gone, jobs while theirs runs: what never came to anything costs
    nothing.
    """
    on_kubernetes = work.context.settings.on_kubernetes
    for run in ledger.runs(work.tx, since):
        amounts = amounts_of(run.profile, devices=on_kubernetes)
        yield Span(run.tenant_id, run.user, amounts, max(since, run.since), min(now, run.until or now))
    for each in job_attempts.after(work.tx, since):
        yield Span(each.tenant_id, each.user, each.amounts, max(since, each.started_at), min(now, each.ended_at or now))


def _kept(work: Work, since: datetime, now: datetime) -> Iterable[Span]:
    known = tenants.all_tenants(work.tx)  # what of a deleted tenant is still being removed is nobody's use
    for tenant, user, size in ledger.saved(work.tx):
        if tenant in known:
            yield Span(tenant, user, {"checkpoint_bytes": size}, since, now)
    if work.context.settings.on_kubernetes:  # a volume of the Docker engine has no size that is known
        for tenant, user in ledger.homes(work.tx):
            if tenant in known:
                yield Span(tenant, user, {"storage": known[tenant].kubernetes.home_size}, since, now)

"""The composition root: builds the parts from the settings, mounts the routes, runs the loops."""

import argparse
import asyncio
import logging
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from hubernate_core.errors import HubernateError, InvalidInput

from .api import (
    agent,
    culling,
    data,
    document,
    gate,
    governed,
    health,
    hub,
    jobs,
    login,
    people,
    queue,
    retention,
    saved,
    schedules,
    sources,
    team_images,
)
from .api import tenants as tenants_api
from .api import usage as usage_api
from .api.errors import as_problem
from .api.middleware import Around
from .api.sessions import People
from .api.tokens import ServiceTokens
from .bell import Bell
from .catalogue import Catalogue
from .config import HubernateService, read_settings
from .context import Context, Work
from .data.parts import build_data
from .fleet import Fleet
from .hub_client import Hub
from .jobs.parts import JobParts, build_jobs
from .kube.config import KubernetesBackend
from .kube.parts import KubeParts, build_parts, read_cluster
from .log import log_to_stderr
from .reconcile.loop import start_loops
from .reconcile.spaces import builder
from .services.seeding import seed
from .sight import FleetSight
from .signing import load_signer
from .store import backup, checkpoints, tenants
from .store.database import Store
from .store.lease import Lease
from .ui import jobs as job_pages
from .ui import overview, pages, teams
from .ui import schedules as schedule_pages
from .ui import sources as source_pages

TO_RESTORE = "to-restore.sqlite"
"""In the service's folder: a copy of the database that the next start puts back."""
_log = logging.getLogger(__name__)


def build_context(settings: HubernateService) -> Context:
    """The parts, with the database brought to this version.

    Raises:
        HubernateError: a file, the key or the database is not as it must be; nothing was started.
    """
    settings.own_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = Store(settings.database)
    store.migrate()
    signer = load_signer(settings.file("signing_key_file"), may_create=not store.now(checkpoints.any_signed))
    catalogue = Catalogue(settings.file("profiles_file"), settings.file("tenants_file"))
    catalogue.refresh(strict=True)
    token = _read_token(settings.file("hub_token_file"))
    fleet, bell = Fleet(settings.agent_silent_after_s, settings.gone_after_s), Bell()
    kube = _build_kube(settings, bell) if settings.on_kubernetes else None
    context = Context(
        settings=settings,
        store=store,
        hub=Hub(settings.hub_api_url, token, timeout_s=settings.hub_timeout_s),
        signer=signer,
        catalogue=catalogue,
        fleet=fleet,
        sight=FleetSight(fleet) if kube is None else kube.sight,
        data=build_data(settings.data, settings.data_keys),
        kube=kube,
        jobs=_build_jobs(settings) if kube is None else None,
        bell=bell,
    )
    store.now(lambda tx: seed(Work(tx, context, context.clock()), catalogue.tenants))
    if kube is not None:
        store.now(tenants.give_namespaces, settings.instance)
    return context


def _build_kube(settings: HubernateService, bell: Bell) -> KubeParts:
    backend, cluster = settings.kubernetes or KubernetesBackend(), read_cluster(settings.file("platform_file"))
    build = builder(settings, backend, cluster)
    return build_parts(backend, cluster, settings.instance, gone_after_s=settings.gone_after_s, bell=bell, build=build)


def _build_jobs(settings: HubernateService) -> JobParts:
    settings.notices.openings()  # one that makes no sense is found now
    return build_jobs(settings.jobs, settings.own_dir, settings.file("platform_file"))


def build_app(context: Context, *, loops: bool = True) -> FastAPI:
    """The application. Without `loops` nothing happens but by requests: for tests of single steps."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = start_loops(context) if loops else []
        try:
            yield
        finally:
            context.stopping = True
            context.bell.ring_all()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await context.data.close(context.store)
            await context.hub.close()
            if context.kube is not None:
                await context.kube.close()
            if context.jobs is not None:
                await context.jobs.close()
            context.store.close()

    settings = context.settings
    app = FastAPI(title="Hubernate", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.context = context
    app.state.people = People(context.hub, settings.service_name)
    app.state.tokens = ServiceTokens(settings.file("spawner_token_file"), settings.file("agent_token_files"))
    app.state.login_key = secrets.token_bytes(32)
    _mount(app, settings.prefix.rstrip("/"))
    pages.mount_static(app, settings)

    async def problem(request: Request, error: Exception) -> object:
        return await pages.answer_error(request, error) or as_problem(request, error)

    for kind in (HubernateError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, problem)  # type: ignore[arg-type]
    app.add_middleware(Around, metrics=context.metrics)
    return app


def _mount(app: FastAPI, prefix: str) -> None:
    apis = (
        agent,
        hub,
        gate,
        people,
        saved,
        queue,
        tenants_api,
        governed,
        usage_api,
        culling,
        retention,
        team_images,
        sources,
        document,
        health,
        login,
    )
    seen = (pages, overview, teams, source_pages, job_pages, schedule_pages)
    more = (data.relay, data.people, jobs.relay, jobs.people, schedules.relay, schedules.people, tenants_api.departing)
    for router in (*(module.router for module in (*apis, *seen)), *more):
        app.include_router(router, prefix=prefix)


def openapi() -> dict[str, Any]:
    """The OpenAPI document with paths below the service's prefix: for the reference pages."""
    app = FastAPI(title="Hubernate")
    _mount(app, "")
    return document.describe(app)


def _read_token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as problem:
        raise InvalidInput(str(path), f"cannot read the token: {problem.strerror}") from problem


def serve(settings: HubernateService, *, on_step: Callable[[str], None] | None = None) -> None:
    """Run until a signal. Only one service runs on a state folder and a database at a time.

    A copy named `TO_RESTORE` in its folder is put back first.
    """
    lease = Lease(settings.own_dir, settings.database)
    settings.own_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lease.take()
    try:
        _take_up(settings)
        context = build_context(settings)
        if on_step is not None:
            context.on_step = on_step
        _log.info("listening", extra={"address": f"{settings.ip}:{settings.port}", "prefix": settings.prefix})
        uvicorn.run(
            build_app(context),
            host=settings.ip,
            port=settings.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=3,
            # Client addresses are for nobody's decision here; no forwarded header is believed.
            proxy_headers=False,
        )
    finally:
        lease.release()


def _take_up(settings: HubernateService) -> None:
    """Restore the copy that was laid ready in our folder: once, and what cannot be restored is set aside.

    What is there goes on then, since a service that does not start cannot be given another copy.
    """
    copy = settings.own_dir / TO_RESTORE
    if not copy.exists():
        return
    try:
        kept, number = backup.put_back(settings.database, copy)
    except HubernateError as problem:
        aside = copy.with_name(f"{copy.name}.refused")
        backup.move(copy, aside)
        what = {"file": str(aside), "problem": problem.message}
        _log.error("what was to be restored was not; the database is as it was", extra=what)
        return
    backup.remove(copy)
    _log.warning("the database was restored", extra={"kept": str(kept or ""), "checkpoints_to_find": number})


def restore(settings: HubernateService, copy: Path | None) -> None:
    """Put the database back (without `copy`: its own tools did) and have its checkpoints looked for in the registry.

    Raises:
        Unavailable: a service runs.  InvalidInput: see `backup.put_back`.
    """
    settings.own_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    lease = Lease(settings.own_dir, settings.database)
    lease.take(wait_s=1)
    try:
        if copy is None:
            kept, number = None, backup.after_restore(settings.database)
        else:
            kept, number = backup.put_back(settings.database, copy)
    finally:
        lease.release()
    sys.stdout.write(f"Restored; {number} checkpoints will be looked for in the registry before any is deleted.\n")
    if kept is not None:
        sys.stdout.write(f"The database that was there is kept as {kept}.\n")


def main() -> None:
    """The command ``hubernate-service``."""
    parser = argparse.ArgumentParser(prog="hubernate-service", description="The platform service of Hubernate.")
    parser.add_argument("--config", type=Path, required=True, help="Python file with c.HubernateService.… settings")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--backup", type=Path, metavar="FILE", help="copy the SQLite database, then end")
    instead.add_argument("--restore", type=Path, metavar="FILE", help="put such a copy back, then end")
    instead.add_argument("--restored", action="store_true", help="the database was put back by its own tools")
    arguments = parser.parse_args()
    try:
        settings = read_settings(arguments.config)
        log_to_stderr(settings.log_level)
        if arguments.backup:
            backup.copy_to(settings.database, arguments.backup)
        elif arguments.restore or arguments.restored:
            restore(settings, arguments.restore)
        else:
            serve(settings)
    except HubernateError as problem:
        sys.stderr.write(f"hubernate-service: {problem.message}\n")
        sys.exit(2)


if __name__ == "__main__":
    main()

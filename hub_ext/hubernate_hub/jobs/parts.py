"""What jobs need beside the database: the engine, the folder with logs, files and outputs, and the newest look at the
queue.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from hubernate_core.job_queue import JobPlace
from hubernate_core.names import JobId
from hubernate_core.platform_file import Mirrors, Platform

from .config import Jobs
from .engine import Engine
from .files import Files


@dataclass
class JobParts:
    """The service's side of jobs; there is none on Kubernetes."""

    settings: Jobs
    folder: Path
    engine: Engine
    files: Files
    mirrors: Mirrors = field(default_factory=Mirrors)
    places: Mapping[JobId, JobPlace] = field(default_factory=dict)
    """Replaced, never changed; gone after a restart until the first look."""

    attempts: dict[JobId, asyncio.Task[None]] = field(default_factory=dict)
    """What is going in this process."""
    failures: Counter[tuple[JobId, int]] = field(default_factory=Counter)
    """How often an attempt could not be brought to its end, in this process."""
    telling: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    """Notices that are being sent by this process; each task is called by its tenant."""
    tellers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(32, thread_name_prefix="notices"))
    """Mail servers and name servers that hang hold these threads, and nobody else's."""
    swept_at: float = float("-inf")
    """When leftovers were looked for last, by the monotonic clock."""

    async def close(self) -> None:
        """Let go of every attempt; containers run on, and are taken up by the next service."""
        tasks = [*self.attempts.values(), *self.telling.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.tellers.shutdown(wait=False, cancel_futures=True)
        await self.engine.close()

    def kept(self) -> set[JobId]:
        """Jobs of which something is on disk."""
        return {JobId(each.name) for each in self.folder.iterdir()} if self.folder.is_dir() else set()

    def folder_of(self, job: JobId) -> Path:
        """What is kept of a job."""
        return self.folder / job

    def log_of(self, job: JobId, attempt: int) -> Path:
        """The log of one attempt."""
        return self.folder / job / f"log-{attempt}"

    def raw_log_of(self, job: JobId, attempt: int) -> Path:
        """What one attempt writes to, in its container."""
        return self.folder / job / f"raw-{attempt}"

    def metrics_of(self, job: JobId, attempt: int) -> Path:
        """What is kept of the metrics of one attempt."""
        return self.folder / job / f"metrics-{attempt}.json"

    def raw_metrics_of(self, job: JobId, attempt: int) -> Path:
        """What one attempt writes them to, in its container."""
        return self.folder / job / f"raw-metrics-{attempt}"

    def outputs_of(self, job: JobId, attempt: int) -> Path:
        """What was kept of one attempt's outputs."""
        return self.folder / job / f"outputs-{attempt}"


def build_jobs(settings: Jobs, own_dir: Path, platform_file: Path) -> JobParts:
    """The parts. Nothing is asked of the engine yet."""
    folder = own_dir / "jobs"
    mirrors = Mirrors()
    if platform_file.exists():
        mirrors = Platform.model_validate_json(platform_file.read_text()).mirrors
    files = Files(own_dir / "job-files", settings.files_max_bytes, settings.files_of_person_max_bytes)
    return JobParts(settings, folder, Engine(settings.docker_url), files, mirrors)

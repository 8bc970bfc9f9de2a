"""Who runs the stages: this process (``serial``), or workers (:mod:`stages.farm.dask_engine`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages.farm.call import Failed, Job, call
from stages.machine import signals
from stages.machine.errors import UserError

NAMES = ("dask", "serial", "slurm", "pbs")
Outcome = tuple[str, float, str]  # a stage, its seconds, why it failed


class Engine(Protocol):
    """Runs jobs.

    Attributes:
        slots: how many it takes at a time.
    """

    slots: int

    def submit(self, job: Job) -> None:
        """Take a job."""

    def finished(self, patience: float) -> list[Outcome]:
        """What has ended; waits for it so many seconds at most."""

    def close(self) -> None:
        """End everything at once, jobs that are under way too."""


@dataclass(frozen=True)
class Options:
    """What the command line says of engines.

    Attributes:
        engine: one of :data:`NAMES`.
        workers: at least 1.
        address: of a scheduler, ``tls://host:port``; empty for a cluster of our own.
        ca, cert, key: PEM files of its certificates; empty where dask's own settings name them.
        limit: seconds that a run may take; 0: any.
        retries: of a run whose worker has died.
    """

    engine: str = "dask"
    workers: int = 1
    address: str = ""
    ca: str = ""
    cert: str = ""
    key: str = ""
    limit: float = 0.0
    retries: int = 3

    def check(self) -> None:
        """Raise unless these go together.

        Raises:
            UserError: naming the option.
        """
        if self.engine == "serial" and self.limit:
            raise UserError("--limit needs workers that can be ended: --engine dask, slurm or pbs")
        if self.address and self.engine != "dask":
            raise UserError(f"--address is for --engine dask, not for {self.engine}")
        if self.address and not self.address.startswith("tls://"):
            raise UserError(
                f"--address is {self.address!r}; allowed: tls://HOST:PORT. Without TLS, whoever "
                f"reaches the scheduler can run programs as you"
            )
        if not self.address and (self.ca or self.cert or self.key):
            raise UserError("--tls-ca, --tls-cert and --tls-key go with --address")


class Serial:
    """This process, one run after another."""

    slots = 1

    def __init__(self, came: list[int]) -> None:
        """``came``: signals that have come, to which one that ends a run is added."""
        self._job: Job | None = None
        self._came = came

    def submit(self, job: Job) -> None:
        """Take a job, to be run by :meth:`finished`."""
        self._job = job

    def finished(self, patience: float) -> list[Outcome]:
        """Run the job that was taken, unless there is no patience at all."""
        job, self._job = self._job, None
        if job is None or not patience:
            return []
        try:
            return [(job.name, call(job), "")]
        except Failed as error:
            return [(job.name, 0.0, str(error))]
        except signals.Ended as ended:
            self._came.append(ended.number)
            return []

    def close(self) -> None:
        """Nothing runs."""


def made(options: Options, root: Path, came: list[int]) -> Engine:
    """The engine that is asked for, started.

    Raises:
        UserError: it cannot be had here.
    """
    if options.engine == "serial":
        return Serial(came)
    try:
        from stages.farm import clusters, dask_engine
    except ModuleNotFoundError as error:
        raise UserError(
            f"--engine {options.engine} needs the package {error.name!r}, which is not installed; "
            f"--engine serial needs none"
        ) from None
    cluster, client = clusters.connected(options, root)
    return dask_engine.DaskEngine(client, cluster, options)

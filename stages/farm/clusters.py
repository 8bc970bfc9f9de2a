"""Dask clusters to run on: of our own on this machine, of a scheduler at an address, of a queue.

Always with TLS: whoever reaches a scheduler without it runs programs as its user.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import dask
from distributed import Client, LocalCluster
from distributed.security import Security

from stages.farm.engines import Options
from stages.machine.errors import UserError, one_line

PATIENCE = 60  # seconds for a scheduler to answer
PARTS = ("nanny", "worker", "scheduler", "client", "comm", "core", "batched", "utils", "deploy")
NOISY = ("asyncio", "tornado.application", "distributed", *(f"distributed.{one}" for one in PARTS))
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster"}


def connected(options: Options, root: Path) -> tuple[Any, Client]:
    """A cluster (None for somebody else's) and a client of it.

    Raises:
        UserError: there is no scheduler at the address, or settings or a package are missing.
    """
    dask.config.set(
        {
            "distributed.scheduler.allowed-failures": options.retries,
            "distributed.nanny.pre-spawn-environ": {},  # the study says how many threads
            "distributed.admin.tick.limit": "1h",  # torch's import holds the interpreter
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
            **{
                f"distributed.worker.memory.{what}": False
                for what in ("target", "spill", "pause", "terminate")
            },
        }
    )
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with _signals_blocked():
        if options.address:
            return None, _client(options.address, _security(options))
        cluster = _local(options) if options.engine == "dask" else _queue(options, root)
        return cluster, Client(cluster, timeout=PATIENCE)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """A terminal's Ctrl-C is for this thread: those begun here, and all workers, never see it.

    What is blocked stays so in threads and processes that begin meanwhile, and in theirs; here it
    comes when the block ends.
    """
    resource_tracker.ensure_running()  # a thread that begins it has SIGINT unblocked afterwards
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _local(options: Options) -> LocalCluster:
    return LocalCluster(
        n_workers=options.workers,
        threads_per_worker=1,
        processes=True,
        security=True,
        dashboard_address="127.0.0.1:0",  # any free port: there is nothing to see
        memory_limit=0,
        silence_logs=logging.CRITICAL,
    )


def _queue(options: Options, root: Path) -> Any:
    """Workers that are jobs of a batch system, as dask's own settings (jobqueue.yaml) describe."""
    try:
        import dask_jobqueue
    except ModuleNotFoundError:
        raise UserError(
            f"--engine {options.engine} needs the package 'dask-jobqueue', which is not "
            f"installed: python -m pip install 'aledger[cluster]', or dask-jobqueue itself"
        ) from None
    keys = root / ".dvc/tmp"
    keys.mkdir(parents=True, exist_ok=True)
    try:
        cluster = getattr(dask_jobqueue, QUEUES[options.engine])(
            security=True, shared_temp_directory=str(keys), n_workers=0
        )
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise UserError(
            one_line(f"--engine {options.engine}: {error}")
            + f" (settings: jobqueue.{options.engine} in ~/.config/dask/jobqueue.yaml)"
        ) from None
    cluster.scale(options.workers)
    return cluster


def _security(options: Options) -> Security:
    given = {
        "tls_ca_file": options.ca,
        "tls_client_cert": options.cert,
        "tls_client_key": options.key,
    }
    for path in filter(None, given.values()):
        if not Path(path).is_file():
            raise UserError(f"{path}: no such file; allowed: a PEM file")
    given = {key: path for key, path in given.items() if path}
    security = Security(require_encryption=True, **given)
    if not security.tls_ca_file:
        raise UserError(
            "--address: no certificates; give --tls-ca, --tls-cert and --tls-key, or set "
            "distributed.comm.tls in dask's own settings"
        )
    return security


def _client(address: str, security: Security) -> Client:
    try:
        return Client(address, security=security, timeout=PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        raise UserError(one_line(f"--address {address}: {error}")) from None

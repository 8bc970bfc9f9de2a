"""Stages on dask workers: processes that import torch once and run one stage at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from typing import Any

import psutil
from distributed import Client, Future, get_worker
from distributed.scheduler import KilledWorker

from stages.farm.call import Failed, Job, call
from stages.farm.engines import Options, Outcome
from stages.farm.work import Halt
from stages.machine.errors import one_line

COUNT = 5.0  # seconds between two counts of a queue's workers
LOST = 60.0  # seconds after which a scheduler that does not answer is gone
GONE = 10.0  # seconds for killed workers to go
LONG = 30.0  # seconds for a result to come


class DaskEngine:
    """See :class:`stages.farm.engines.Engine`.

    Args:
        cluster: None for somebody else's, which is left as it is.
    """

    def __init__(self, client: Client, cluster: Any, options: Options) -> None:
        self.client, self.cluster, self.options = client, cluster, options
        self._ours = cluster is not None and options.engine == "dask"
        self._counted, self._answered = 0.0, time.monotonic()
        self._slots = options.workers
        self._futures: dict[str, tuple[str, Future]] = {}
        self._ended: queue.SimpleQueue[Future] = queue.SimpleQueue()
        threading.Thread(target=self._settle, daemon=True).start()

    def _settle(self) -> None:
        """Have torch imported while data are prepared; whoever starts later does it by itself."""
        with contextlib.suppress(Exception):
            self.client.run(settle)

    @property
    def slots(self) -> int:
        """One for each worker; a queue's and somebody else's come and go."""
        if not self._ours and time.monotonic() - self._counted > COUNT:
            self._counted = time.monotonic()
            with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
                found = self.client.sync(self.client.scheduler.ncores, callback_timeout=COUNT)
                self._slots = max(1, len(found))
        return self._slots

    def submit(self, job: Job) -> None:
        """Hand a job to the scheduler."""
        future = self.client.submit(run, job, key=job.token, pure=False)
        self._futures[future.key] = job.name, future
        future.add_done_callback(self._ended.put)

    def finished(self, patience: float) -> list[Outcome]:
        """What has ended.

        Raises:
            Halt: the scheduler is gone.
        """
        found, wait = [], patience
        with contextlib.suppress(queue.Empty):
            while True:
                future = self._ended.get(timeout=wait) if wait else self._ended.get_nowait()
                if future.key in self._futures:
                    found.append(self._outcome(future))
                wait = 0
        self._check()
        return found

    def _outcome(self, future: Future) -> Outcome:
        name, _ = self._futures.pop(future.key)
        seconds, why = 0.0, ""
        try:
            if future.status in ("lost", "cancelled"):
                raise Halt("the scheduler is gone")
            seconds = future.result(timeout=LONG)
        except Failed as error:
            why = str(error)
        except KilledWorker:
            times = self.options.retries + 1
            why = f"its worker died, {times} times in all (is there enough memory?)"
        except ModuleNotFoundError as error:
            raise Halt(f"workers lack {error.name!r}; start them in the study's folder") from None
        except Halt:
            raise
        except Exception as error:
            why = one_line(f"{type(error).__name__}: {error}")
        # Let go at once: a result that dies with its worker would be worked out again.
        future.release()
        return name, seconds, why

    def _check(self) -> None:
        """Notice a scheduler that is gone."""
        if self.client.status == "running":
            self._answered = time.monotonic()
        elif self.client.status == "closed" or time.monotonic() - self._answered > LOST:
            raise Halt("the scheduler is gone")

    def close(self) -> None:
        """End everything at once."""
        for _, future in self._futures.values():
            with contextlib.suppress(Exception):
                future.release()
        if self._ours:
            processes: list[psutil.Process] = []
            for nanny in self.cluster.workers.values():
                nanny.auto_restart = False
                if (number := getattr(nanny, "pid", None)) is None:
                    continue  # it is between two workers; None would be this process
                with contextlib.suppress(psutil.Error):
                    processes.append(psutil.Process(number))
                    processes[-1].kill()
            psutil.wait_procs(processes, timeout=GONE)
        # A queue may not answer; nobody waits for it for ever.
        closing = threading.Thread(target=self._close, daemon=True)
        closing.start()
        closing.join(GONE)

    def _close(self) -> None:
        for what in (self.client, self.cluster):
            with contextlib.suppress(Exception):
                if what is not None:
                    what.close(timeout=5)


def run(job: Job) -> float:
    """A job on a worker; see :func:`stages.farm.call.call`."""
    _on_a_gpu()
    return call(job)


def settle() -> None:
    """Make a worker ready before it gets its first job."""
    _on_a_gpu()
    import stages.round  # noqa: F401


def _on_a_gpu() -> None:
    """Workers take the GPUs of their machine in turn; CUDA reads the variable when first used."""
    name = str(get_worker().name)
    if "CUDA_VISIBLE_DEVICES" not in os.environ and name.isdecimal():
        import torch

        if (count := torch.cuda.device_count()) > 1:
            os.environ["CUDA_VISIBLE_DEVICES"] = str(int(name) % count)

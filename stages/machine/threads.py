"""Many small matrix products at a time, in as many threads as one large one would have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _blas() -> ThreadpoolController:
    import numpy  # noqa: F401 - its library must be there to be found

    return ThreadpoolController().select(user_api="blas")


def in_threads(function: Callable[[Any], None], parts: Iterable[Any]) -> None:
    """Call ``function`` for each part; each product meanwhile has one thread.

    A small product gains nothing from a second thread; two of them do. ``function`` must not depend
    on what the other calls have done.
    """
    threads = max((library["num_threads"] for library in _blas().info()), default=1)
    if threads == 1:
        for part in parts:
            function(part)
        return
    with _blas().limit(limits=1), ThreadPoolExecutor(threads) as pool:
        running: deque[Future] = deque()
        for part in parts:  # no faster than they are done, so that a progress bar tells the truth
            if len(running) == 2 * threads:
                running.popleft().result()
            running.append(pool.submit(function, part))
        for future in running:
            future.result()

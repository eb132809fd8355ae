"""Work that is done by several threads, or by the one there is."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast


class Task(Protocol):
    """As `concurrent.futures.Future`."""

    def done(self) -> bool: ...
    def result(self) -> Any: ...


class Executor(Protocol):
    """As `concurrent.futures.Executor`."""

    def submit(self, function: Callable, /, *arguments: Any) -> Task: ...


class Done(NamedTuple):
    """The task of what is done."""

    value: Any

    def done(self) -> bool:
        return True

    def result(self) -> Any:
        return self.value


class OneThread:
    """Work is done as it is submitted, by the thread that does so."""

    def submit(self, function: Callable, /, *arguments: Any) -> Task:
        return Done(function(*arguments))


@contextmanager
def executor(threads: int, stop: Callable[[], None]) -> Iterator[Executor]:
    """One or several threads; at the end what is not begun is dropped, and `stop` tells what is."""
    if threads == 1:
        yield OneThread()
        return
    from concurrent.futures import ThreadPoolExecutor  # 10 ms: one recording needs none

    pool = ThreadPoolExecutor(threads)
    try:
        yield pool
    finally:
        stop()
        pool.shutdown(cancel_futures=True)


def wait_for_one(tasks: Iterable[Task]) -> None:
    """Until one of the tasks of several threads is done, at least."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    # What one thread has begun is done at once: only futures are waited for
    wait(cast("Iterable[Future]", tasks), return_when=FIRST_COMPLETED)


def ahead(pool: Executor, function: Callable, items: Iterable, count: int) -> Iterator[Any]:
    """The function's results, in order; so many are begun before they are asked for."""
    begun: deque[Task] = deque()
    for item in items:
        begun.append(pool.submit(function, item))
        if len(begun) > count:
            yield begun.popleft().result()
    for task in begun:
        yield task.result()

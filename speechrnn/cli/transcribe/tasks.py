"""Work that is done by several threads, or by the one there is."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol


class Task(Protocol):
    """As `concurrent.futures.Future`."""

    def done(self) -> bool: ...
    def result(self) -> Any: ...


class Tasks:
    """Work is done where its result is asked for."""

    def submit(self, function: Callable, *arguments: Any) -> Task:
        return Later(function, *arguments)

    def wait(self, tasks: Sequence[Task]) -> None:
        """Until one of them is done, at least."""
        tasks[0].result()


class Later:
    def __init__(self, function: Callable, *arguments: Any):
        self._function, self._arguments = function, arguments
        self._done, self._result = False, None

    def done(self) -> bool:
        return self._done

    def result(self) -> Any:
        if not self._done:
            self._result, self._done = self._function(*self._arguments), True
            self._arguments = ()
        return self._result


class ThreadTasks(Tasks):
    """Work is begun at once, in the order submitted, on so many threads."""

    def __init__(self, threads: int):
        from concurrent.futures import ThreadPoolExecutor  # 10 ms: one recording needs none

        self._pool = ThreadPoolExecutor(threads)
        self.submit = self._pool.submit

    def wait(self, tasks: Sequence[Task]) -> None:
        from concurrent.futures import FIRST_COMPLETED, wait

        wait(tasks, return_when=FIRST_COMPLETED)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@contextmanager
def tasks(threads: int, stop: Callable[[], None]) -> Iterator[Tasks]:
    """One or several threads; at the end what is not begun is dropped, and `stop` tells what is."""
    if threads == 1:
        yield Tasks()
        return
    pool = ThreadTasks(threads)
    try:
        yield pool
    finally:
        stop()
        pool.close()


def ahead(pool: Tasks, function: Callable, items: Iterable, count: int) -> Iterator[Any]:
    """The function's results, in order; so many are begun before they are asked for."""
    begun: deque[Task] = deque()
    for item in items:
        begun.append(pool.submit(function, item))
        if len(begun) > count:
            yield begun.popleft().result()
    for task in begun:
        yield task.result()

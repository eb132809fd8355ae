"""Asked to stop: SIGTERM, which schedulers send before they kill, and Ctrl-C."""

import signal
import threading
from types import FrameType
from typing import Self


class Interruption:
    """Remembers the signal within its `with` block, so that a run can end between two updates. A second Ctrl-C ends a run that
    is `alone` at once; where torchrun leads several processes it repeats what it was sent, and repetitions are ignored. Only
    the main thread receives signals: in others nothing is changed."""

    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, alone: bool = True) -> None:
        self.signal = 0  # 0: nobody asked
        self._alone = alone

    def __enter__(self) -> Self:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._remember) for number in self.SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _: FrameType | None) -> None:
        if self.signal == number == signal.SIGINT and self._alone:
            raise KeyboardInterrupt
        self.signal = self.signal or number

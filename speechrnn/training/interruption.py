"""Asked to stop: SIGTERM, which schedulers send before they kill, SIGHUP of a terminal that is closed, and Ctrl-C."""

import signal
import threading
from types import FrameType
from typing import Self


class Interruption:
    """Remembers the signal within its `with` block, so that a run can end between two updates. A second Ctrl-C ends a run that
    is `alone` at once; a process among several may get a signal twice, from the terminal or scheduler and from torchrun, which
    hands on what it got itself, and ignores repetitions. A SIGHUP that is ignored, as under nohup, stays so. Only the main
    thread receives signals: in others nothing is changed."""

    SIGNALS = tuple(s for s in signal.Signals if s.name in ("SIGTERM", "SIGINT", "SIGHUP"))  # Windows has no SIGHUP

    def __init__(self, alone: bool = True) -> None:
        self.signal = 0  # 0: nobody asked
        self._alone = alone

    def __enter__(self) -> Self:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {
                number: signal.signal(number, self._remember)
                for number in self.SIGNALS
                if number.name != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN
            }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, _: FrameType | None) -> None:
        if self.signal == number == signal.SIGINT and self._alone:
            raise KeyboardInterrupt
        self.signal = self.signal or number

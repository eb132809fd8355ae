"""What the signals do to a run."""

import os
import signal

import pytest

from speechrnn.training.interruption import Interruption


def test_the_first_is_remembered_and_a_second_ctrl_c_does_not_wait():
    with Interruption() as interruption:
        assert interruption.signal == 0
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_scheduler_may_repeat_itself():
    with Interruption() as interruption:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.signal == signal.SIGTERM


def test_among_others_a_second_ctrl_c_is_that_of_the_launcher():
    with Interruption(alone=False) as interruption:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
        assert interruption.signal == signal.SIGINT


def test_a_closed_terminal_is_heard_unless_it_is_to_be_ignored():
    with Interruption() as interruption:
        os.kill(os.getpid(), signal.SIGHUP)
        assert interruption.signal == signal.SIGHUP
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            assert interruption.signal == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_afterwards_the_signals_are_what_they_were():
    before = [signal.getsignal(number) for number in Interruption.SIGNALS]
    with Interruption():
        assert [signal.getsignal(number) for number in Interruption.SIGNALS] != before
    assert [signal.getsignal(number) for number in Interruption.SIGNALS] == before

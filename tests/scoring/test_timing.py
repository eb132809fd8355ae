"""Real-time factor and latency, by a clock that the test moves."""

import pytest

from speechrnn.scoring import timing as module
from speechrnn.scoring.timing import Timing


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])

    def forward(seconds):
        now[0] += seconds

    return forward


def parts(seconds, clock):
    for each in seconds:
        clock(each)
        yield each


def test_waiting_for_parts_is_reading_and_what_happens_to_them_is_work(clock):
    timing = Timing(alone=True)
    for number, seconds in enumerate(timing.read(parts([0.02, 0.01, 0.03], clock))):
        if number == 0:
            clock(7.0)  # warm-up
            timing.start()
        clock(2 * seconds)
        timing.done(100 * seconds)
    assert timing.audio == [2, 1, 3]
    assert timing.reading == pytest.approx([0.02, 0.01, 0.03])
    assert timing.working == pytest.approx([0.04, 0.02, 0.06])
    assert timing.rtf == pytest.approx(0.03)
    assert timing.lines() == [
        "0.2 s for 6.0 s of audio (0.1 s reading it): RTF 0.0300",
        "latency from file to text, ms: mean 60.0; 50 % 60.0, 90 % 84.0, 95 % 87.0, 99 % 89.4; greatest 90.0",
        "RTF of an utterance: mean 0.0300; 50 % 0.0300, 90 % 0.0300, 95 % 0.0300, 99 % 0.0300; greatest 0.0300",
    ]


def test_together_there_is_no_latency_of_one(clock):
    timing = Timing(alone=False)
    for seconds in timing.read(parts([1.0], clock)):
        clock(seconds)
        timing.done(10.0)
    assert timing.lines() == ["2.0 s for 10.0 s of audio (1.0 s reading it): RTF 0.2000"]


def test_no_audio_has_no_factor():
    assert Timing(alone=False).rtf is None and Timing(alone=True).lines() == []

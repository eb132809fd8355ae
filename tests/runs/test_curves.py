"""curves.png from logs that are whole, young, cut off or lack columns."""

import json
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from speechrnn.errors import InputError
from speechrnn.runs.curves import POINTS, draw_curves, thinned


def update(step, **more):
    return {"step": step, "epoch": step // 10 + 1, "rate": 1e-3, "loss": 50 / step, "gradient_norm": 9 / step, **more}


def epoch(step, **more):
    return {"step": step, "epoch": step // 10, "train_loss": 50 / step, "minutes": step / 10, **more}


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def draw(log):
    """The pixels (height, width, 3) of the picture of a log."""
    picture = log.with_name("curves.png")
    draw_curves(log, picture)
    with Image.open(picture) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB")).astype(float)


WHOLE = [
    row
    for step in range(1, 41)
    for row in [
        update(step, audio_seconds=80.0, seconds=2.0, data_seconds=0.1),
        *([epoch(step, dev_loss=2.0, dev_wer=90 / step, dev_wer_raw=99 / step, blank_share=0.7)] * (step % 10 == 0)),
    ]
]


@pytest.mark.parametrize(
    "rows",
    [
        WHOLE,
        WHOLE[:1],
        [row for row in WHOLE if "train_loss" in row],
        [row for row in WHOLE if "train_loss" not in row],
        [{key: None for key in row} | {"step": row["step"]} for row in WHOLE],
        [{k: v for k, v in row.items() if k != "step"} for row in WHOLE],
        [update(1, loss=None, gradient_norm=0.0), update(2, loss=1e308, rate="fast", gradient_norm=None)],
        [epoch(10, dev_wer=0.0, dev_loss=None)],
        [epoch(10, dev_wer=250.0, train_loss=float("inf"))],
        [],
    ],
    ids=["whole", "one row", "epochs", "updates", "nulls", "no step", "odd values", "no error", "infinite", "empty"],
)
def test_whatever_the_log_has_is_drawn(tmp_path, rows, recwarn):
    pixels = draw(write(tmp_path / "log.jsonl", rows))
    assert pixels.var() > 1
    assert not recwarn.list


def test_more_of_the_log_is_another_picture(tmp_path):
    pictures = [draw(write(tmp_path / "log.jsonl", rows)) for rows in (WHOLE[:20], WHOLE, WHOLE)]
    assert np.abs(pictures[0] - pictures[1]).max() > 0
    assert np.abs(pictures[1] - pictures[2]).max() == 0


@pytest.mark.parametrize("contents", [b'{"step": 1\n{"step": 2}\n', b"7\n", b"\xff\n"])
def test_a_damaged_log_is_named(tmp_path, contents):
    log = tmp_path / "log.jsonl"
    log.write_bytes(contents)
    with pytest.raises(InputError, match=r"log\.jsonl, line 1: expected a JSON object"):
        draw_curves(log, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_thinning_keeps_the_mean_and_leaves_out_what_is_no_number():
    steps, values = np.arange(12345.0), np.random.default_rng(0).normal(size=12345)
    values[::7] = np.nan
    few_steps, few = thinned(steps, values)
    assert len(few) == len(few_steps) == POINTS
    assert (np.diff(few_steps) > 0).all()
    finite = values[np.isfinite(values)]
    assert few[0] == pytest.approx(finite[: len(finite) // POINTS].mean())
    assert few.mean() == pytest.approx(finite.mean(), abs=0.01)


def test_twenty_thousand_updates_take_little(tmp_path):
    rows = [
        row for step in range(1, 20001) for row in [update(step), *([epoch(step, dev_wer=9.0)] * (step % 200 == 0))]
    ]
    log = write(tmp_path / "log.jsonl", rows)
    draw(log)  # with the imports
    seconds = []
    for _ in range(3):
        began = time.process_time()
        draw_curves(log, tmp_path / "curves.png")
        seconds.append(time.process_time() - began)
    assert min(seconds) < 1.0  # 0.2 s where it was written: room for slow machines


def test_without_matplotlib_one_warning_and_no_picture(tmp_path):
    log = write(tmp_path / "log.jsonl", WHOLE)
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from speechrnn.runs.curves import draw_curves\n"
        "for _ in range(3): draw_curves(sys.argv[1], sys.argv[2])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, log, tmp_path / "curves.png"], check=True, capture_output=True, text=True
    )
    assert done.stderr.count("\n") == 1 and "pip install '.[train]'" in done.stderr
    assert not (tmp_path / "curves.png").exists()

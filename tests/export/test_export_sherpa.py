"""The export for sherpa-onnx: the package's log-probabilities of Kaldi's features; and sherpa-onnx itself, if it is there."""

import math
from dataclasses import replace

import kaldi_native_fbank
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import DESCRIPTION, RATE, tones
from tiny_runs import tiny, tone_corpus

import speechrnn
from speechrnn.audio import read_audio
from speechrnn.cli import main
from speechrnn.errors import InputError
from speechrnn.export.export import export
from speechrnn.export.onnx_graph import build
from speechrnn.export.sherpa_onnx import check_slot, sherpa_tokens
from speechrnn.manifest import read_manifest
from speechrnn.nn.front_end import FrontEndConfig
from speechrnn.nn.model import CTCModel, ModelConfig
from speechrnn.package import write_package
from speechrnn.text import Tokenizer
from speechrnn.training.trainer import Trainer

FBANK = {"low_hz": 20.0, "high_hz": 7600.0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return tone_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "tones"
    model = ModelConfig(front_end=FrontEndConfig(num_bins=80), channels=8, layers=1, hidden=32, dropout=0.0)
    Trainer(tiny(corpus, run, model=model, output_case="lower")).train()
    return run


def kaldi_features(waveform, bins=80, rate=RATE):
    """What sherpa-onnx computes of samples in [-1, 1]: (frames, bins)."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = rate
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = bins
    options.mel_opts.low_freq, options.mel_opts.high_freq = 20, -400
    fbank = kaldi_native_fbank.OnlineFbank(options)
    fbank.accept_waveform(rate, waveform.tolist())
    fbank.input_finished()
    return np.stack([fbank.get_frame(i) for i in range(fbank.num_frames_ready)])


def test_on_kaldis_features_it_gives_the_packages_log_probabilities(run, corpus, tmp_path):
    export(run, tmp_path / "package")
    export(tmp_path / "package", tmp_path / "sherpa", form="sherpa-onnx")
    recognizer = speechrnn.load(tmp_path / "package")
    session = onnxruntime.InferenceSession(tmp_path / "sherpa" / "model.onnx", providers=["CPUExecutionProvider"])
    assert [value.name for value in session.get_inputs()] == ["x", "x_lens"]
    assert [value.name for value in session.get_outputs()] == ["log_probs", "log_probs_len"]
    random = np.random.default_rng(0)  # loud enough that Kaldi's floor, which is high at this scale, is not reached
    sounds = [read_audio(u.audio_filepath, RATE) for u in read_manifest(corpus / "dev.jsonl")]
    sounds = [sound + random.normal(0, 0.02, len(sound)).astype(np.float32) for sound in sounds]
    features = [kaldi_features(sound) for sound in sounds]
    lengths = np.array([len(each) for each in features])
    x = np.full((len(features), lengths.max(), 80), -10 * math.log(10), np.float32)  # as sherpa-onnx pads
    for row, each in zip(x, features, strict=True):
        row[: len(each)] = each
    log_probs, frames = session.run(None, {"x": x, "x_lens": lengths})
    for theirs, ours, count in zip(recognizer.acoustic.log_probs(sounds), log_probs, frames, strict=True):
        assert len(theirs) == count
        np.testing.assert_allclose(
            np.exp(ours[:count]), np.exp(theirs), atol=1e-2
        )  # FFTs of tones differ, as much as that


@pytest.mark.parametrize("normalise", ["utterance", "global", "none"])
def test_the_scale_of_the_samples_is_made_up_for(normalise):
    torch.manual_seed(0)
    model = CTCModel(
        ModelConfig(front_end=FrontEndConfig(normalise=normalise), layers=1, hidden=16, channels=4), 5
    ).eval()
    if normalise == "global":
        model.normalise.mean.fill_(12.0)
    from speechrnn.export.sherpa_onnx import build_for_sherpa

    wave = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    ours = onnxruntime.InferenceSession(build(model, "float32"), providers=["CPUExecutionProvider"])
    theirs = onnxruntime.InferenceSession(build_for_sherpa(model, "float32", "x"), providers=["CPUExecutionProvider"])
    expected, _ = ours.run(None, {"waveform": wave[None], "lengths": np.array([RATE])})
    x = kaldi_features(wave)
    found, count = theirs.run(None, {"x": x[None], "x_lens": np.array([len(x)])})
    assert count.tolist() == [25]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_the_files_are_what_sherpa_onnx_reads(run, tmp_path, capsys):
    target = tmp_path / "sherpa"
    for _ in range(2):  # an earlier export is replaced
        assert main(["export", str(run), str(target), "--format", "sherpa-onnx", "--dtype", "int8"]) == 0
    assert sorted(path.name for path in target.iterdir()) == ["MODEL_CARD.md", "model.onnx", "tokens.txt"]
    assert (target / "tokens.txt").read_text(encoding="utf-8") == "<blk> 0\n▁ 1\na 2\nb 3\nc 4\n"
    properties = {p.key: p.value for p in onnx.load(target / "model.onnx").metadata_props}
    assert properties["model_type"] == "zipformer2_ctc"
    (target / "notes.txt").write_text("mine")
    assert main(["export", str(run), str(target), "--format", "sherpa-onnx"]) == 1
    assert "an earlier export to replace, found something else" in capsys.readouterr().err
    assert (target / "notes.txt").read_text() == "mine"


def test_tokens_keep_their_case_where_another_would_make_two_of_them_one():
    assert sherpa_tokens(["<blank>", "|", "A", "a"], "lower") == "<blk> 0\n▁ 1\nA 2\na 3\n"
    assert sherpa_tokens(["<blank>", "|", "a", "ä"], "upper") == "<blk> 0\n▁ 1\nA 2\nÄ 3\n"
    assert sherpa_tokens(["<blank>", "|", "a"], "as_is") == "<blk> 0\n▁ 1\na 2\n"


@pytest.mark.parametrize(
    "change, named",
    [
        ({"subsampling": 3}, r"model\.subsampling 4 \(found 3\)"),
        ({"front_end": FrontEndConfig(kind="mel")}, r"front_end\.kind fbank \(found mel\)"),
        ({"front_end": FrontEndConfig(high_hz=8000.0)}, r"front_end\.high_hz 7600"),
        ({"front_end": FrontEndConfig(low_hz=0.0)}, r"front_end\.low_hz 20"),
        ({"front_end": FrontEndConfig(window_seconds=0.032)}, r"front_end\.window_seconds 0\.025"),
        ({"sample_rate": 16100}, r"front_end\.high_hz 7650"),
    ],
)
def test_what_the_slot_cannot_hold_is_refused(change, named):
    with pytest.raises(InputError, match=f"{named}.*cannot hold this model"):
        check_slot(CTCModel(replace(ModelConfig(layers=1, hidden=8), **change), 3), ["<blank>", "|", "A"])


def test_other_rates_and_an_underline_token():
    telephone = ModelConfig(8000, FrontEndConfig(high_hz=3600.0), layers=1, hidden=8)
    check_slot(CTCModel(telephone, 3), ["<blank>", "|", "A"])
    with pytest.raises(InputError, match="as a space"):
        check_slot(CTCModel(telephone, 3), ["<blank>", "|", "▁"])


def test_a_package_whose_parts_do_not_belong_together_is_named(tmp_path):
    model = CTCModel(ModelConfig(layers=1, hidden=8, channels=4), 3).eval()
    settings = {"front_end": {"kind": "fbank", "num_bins": 40}}
    write_package(
        tmp_path / "p", build(model, "float32"), Tokenizer(["<blank>", "|", "A"]), {**DESCRIPTION, **settings}, ""
    )
    with pytest.raises(InputError, match="p: model.onnx does not fit model.json"):
        export(tmp_path / "p", tmp_path / "q", form="sherpa-onnx")


def test_sherpa_onnx_itself_hears_the_same(run, corpus, tmp_path):
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    export(run, tmp_path / "package")
    export(run, tmp_path / "sherpa", form="sherpa-onnx")
    model, tokens = str(tmp_path / "sherpa" / "model.onnx"), str(tmp_path / "sherpa" / "tokens.txt")
    theirs = sherpa_onnx.OfflineRecognizer.from_zipformer_ctc(model, tokens)
    sounds = [read_audio(u.audio_filepath, RATE) for u in read_manifest(corpus / "dev.jsonl")] + [tones("ab c")]
    streams = [theirs.create_stream() for _ in sounds]
    for stream, sound in zip(streams, sounds, strict=True):
        stream.accept_waveform(RATE, sound)
    theirs.decode_streams(streams)
    ours = speechrnn.load(tmp_path / "package").transcribe_waveforms(sounds)
    assert [" ".join(stream.result.text.split()) for stream in streams] == [transcript.text for transcript in ours]

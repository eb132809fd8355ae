"""Our beam search beside flashlight's lexicon decoder and pyctcdecode: the same log-probabilities, words and ARPA file.

    python benchmarks/beam_search.py --model MODEL --manifest dev.jsonl --arpa lm.arpa --flashlight PYTHON --pyctcdecode PYTHON
    python benchmarks/beam_search.py --synthetic --manifest dev-clean.jsonl --arpa lm.arpa ...

PYTHON is the interpreter of an environment that has the peer (`pip install "numpy<2" flashlight-text`, `pip install "numpy<2"
pyctcdecode kenlm`); peers that are not named are left out. Every decoder is a process that stays, and all take turns. Times are
processor time, which does not count what else the machine does, the median of the runs. The vocabulary is that of the ARPA
file, or `--words`; all decoders have the same one, and so have ours and flashlight's the same weights, width and threshold.
`total` is what a found text is worth on average by the sum that all of them maximise: the higher, the fewer errors of search.

`--synthetic` makes log-probabilities of the manifest's texts instead of running a model: letters in random frames of a
recording of that length, with random confusions. Its error rates say nothing of speech; its times and ratios are of use.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FRAME_RATE = 25  # frames a second, of synthetic log-probabilities


# Decoders. Each takes the job and gives a function from settings and log-probabilities to texts. Only that of ours may
# import speechrnn: the others run in environments of their own.


def ours(job):
    from speechrnn.lm.ngram import NgramModel
    from speechrnn.search.beam import BeamSearch
    from speechrnn.search.lexicon import Lexicon
    from speechrnn.text import Tokenizer

    tokenizer = Tokenizer(job["tokens"])
    lm = NgramModel.read(job["arpa"])
    lexicons = {is_open: Lexicon.from_words(job["words"], tokenizer, is_open) for is_open in (False, True)}
    lexicons[None] = Lexicon.from_words([], tokenizer, is_open=True)  # any word, all unknown
    searches = {}

    def decode(settings, log_probs):
        key = json.dumps(settings)
        if key not in searches:
            settings = dict(settings)
            batch, lexicon = settings.pop("batch"), lexicons[settings.pop("open")]
            used = lm if settings["lm_weight"] else None
            searches[key] = batch, BeamSearch(tokenizer, lm=used, lexicon=lexicon, **settings)
        batch, search = searches[key]
        if batch:
            return [found[0].text for found in search.search_batch(log_probs, 1)]
        return [search.search(each, 1)[0].text for each in log_probs]

    return decode


def flashlight(job):
    from flashlight.lib.text import decoder as fl
    from flashlight.lib.text.decoder.kenlm import KenLM
    from flashlight.lib.text.dictionary import Dictionary

    words, tokens = job["words"], job["tokens"]
    dictionary = Dictionary()
    for word in [*words, "<unk>"]:
        dictionary.add_entry(word)
    lm = KenLM(job["arpa"], dictionary)
    boundary = tokens.index("|")
    trie = fl.Trie(len(tokens), boundary)
    start = lm.start(False)
    for index, word in enumerate(words):
        trie.insert([*map(tokens.index, word), boundary], index, lm.score(start, index)[1])
    trie.smear(fl.SmearingMode.MAX)
    # a word ends with a boundary there: one more frame, which is the boundary for sure
    end = np.full((1, len(tokens)), -1e9, np.float32)
    end[0, boundary] = 0

    def decode(settings, log_probs):
        options = fl.LexiconDecoderOptions(
            beam_size=settings["width"],
            beam_size_token=min(settings["tokens"], len(tokens)),
            beam_threshold=settings["score_threshold"],
            lm_weight=settings["lm_weight"] * np.log(10),  # its language model's logarithms are decimal
            word_score=settings["word_bonus"],
            unk_score=-np.inf,
            sil_score=0.0,
            log_add=True,
            criterion_type=fl.CriterionType.CTC,
        )
        search = fl.LexiconDecoder(options, trie, lm, boundary, 0, len(words), [], False)
        texts = []
        for each in log_probs:
            each = np.concatenate([each, end])
            best = search.decode(each.ctypes.data, *each.shape)
            texts.append(" ".join(words[i] for i in best[0].words if i >= 0) if best else "")
        return texts

    return decode


def pyctcdecode(job):
    import logging

    logging.disable(logging.WARNING)
    from pyctcdecode import build_ctcdecoder

    labels = ["", " ", *job["tokens"][2:]]
    search = build_ctcdecoder(labels, job["arpa"], job["words"])

    def decode(settings, log_probs):
        settings = dict(settings)
        search.reset_params(alpha=settings.pop("alpha", 0.5), beta=settings.pop("beta", 1.5))
        return [search.decode(each, **settings) for each in log_probs]

    return decode


def serve(decoder, job_path):
    """A decoder's process: for each line of settings, one of the processor seconds used and the texts."""
    job = json.loads(Path(job_path).read_text())
    arrays = np.load(job["log_probs"])
    log_probs = [arrays[name] for name in arrays.files]
    decode = decoder(job)
    for line in sys.stdin:
        settings = json.loads(line)
        decode(settings, log_probs[:1])
        began = time.process_time()
        texts = decode(settings, log_probs)
        print(json.dumps([time.process_time() - began, texts]), flush=True)


# The comparison.


def synthetic(texts, durations, tokens):
    """Log-probabilities of texts: each letter in one frame or two, its lead over noise random and sometimes negative."""
    rng, results = np.random.default_rng(0), []
    for text, duration in zip(texts, durations, strict=True):
        labels = [tokens.index("|" if c == " " else c) for c in text]
        frames = max(int(duration * FRAME_RATE), 2 * len(labels) + 2)
        log_probs = rng.normal(0, 1.5, (frames, len(tokens)))
        places = np.sort(rng.choice(frames // 2, len(labels), replace=False)) * 2
        log_probs[:, 0] += 8
        log_probs[places, 0] -= 8
        log_probs[places, labels] += rng.normal(9, 3, len(labels))
        longer = rng.random(len(labels)) < 0.3
        log_probs[places[longer] + 1, np.array(labels)[longer]] += 8
        log_probs -= np.logaddexp.reduce(log_probs, axis=1, keepdims=True)
        results.append(log_probs.astype(np.float32))
    return results


def systems(args):
    """(name, decoder, settings) of what is compared; the first is what ratios are to."""
    weights = {"lm_weight": args.lm_weight, "word_bonus": args.word_bonus}
    thresholds = {"score_threshold": args.score_threshold, "token_threshold": args.token_threshold}
    equal = {"width": args.width, **weights, **thresholds}
    listed = []
    for how, batch in (("one at a time", False), ("in batches", True)):
        for what, is_open in (("closed", False), ("open", True)):
            listed.append((f"ours, {what}, {args.width}, {how}", ours, {**equal, "open": is_open, "batch": batch}))
        for width in (4, 8, 16, 32, 128):
            narrow = {**equal, "width": width, "open": False, "batch": batch}
            listed.append((f"ours, closed, {width}, {how}", ours, narrow))
    for what, is_open in (("closed", False), ("any word", None)):
        alone = {**equal, "lm_weight": 0, "open": is_open, "batch": True}
        listed.append((f"ours, {what}, {args.width}, no language model", ours, alone))
    if args.flashlight:
        for width, tokens in ((args.width, args.flashlight_tokens), (args.width, 1000), (16 * args.width, 1000)):
            name = f"flashlight, closed, {width}, {'all' if tokens == 1000 else tokens} tokens a frame"
            settings = {"width": width, "tokens": tokens, "score_threshold": args.score_threshold, **weights}
            listed.append((name, flashlight, settings))
    if args.pyctcdecode:
        ours_weights = {"alpha": args.lm_weight, "beta": args.word_bonus}
        listed.append(("pyctcdecode, its defaults", pyctcdecode, {}))
        listed.append(("pyctcdecode, our weights", pyctcdecode, ours_weights))
        no_pruning = {
            "beam_width": args.width,
            "token_min_logp": -args.token_threshold,
            "beam_prune_logp": -args.score_threshold,
        }
        listed.append(
            (f"pyctcdecode, our weights, {args.width}, our pruning", pyctcdecode, {**ours_weights, **no_pruning})
        )
    return listed


def prepare(args, folder):
    """The job of the decoders, written into a folder, the references, and the seconds of audio."""
    from speechrnn.lm.arpa import read_arpa
    from speechrnn.manifest import read_manifest
    from speechrnn.package import read_package
    from speechrnn.package_cache import find_package
    from speechrnn.text import normaliser

    package = read_package(find_package(args.model))
    utterances = read_manifest(args.manifest)
    utterances = utterances[:: max(len(utterances) // args.utterances, 1)][: args.utterances]
    texts = [normaliser(package.normaliser)(u.text) for u in utterances]
    tokens = package.tokenizer.tokens
    if args.synthetic:
        kept = [i for i, text in enumerate(texts) if text and not package.tokenizer.outside(text)]
        texts, utterances = [texts[i] for i in kept], [utterances[i] for i in kept]
        log_probs = synthetic(texts, [u.duration for u in utterances], tokens)
        seconds = sum(map(len, log_probs)) / FRAME_RATE
    else:
        from speechrnn.recognizer import Recognizer

        recognizer = Recognizer(args.model, threads=1)
        waveforms = [recognizer.read(u.audio_filepath) for u in utterances]
        log_probs = recognizer.acoustic.log_probs(waveforms)
        seconds = sum(map(len, waveforms)) / package.sample_rate
    if args.words:
        words = [line.split()[0] for line in Path(args.words).read_text(encoding="utf-8").splitlines()]
    else:
        words = list(read_arpa(args.arpa).words[3:])
    words = [word for word in words if word and not package.tokenizer.outside(word)]
    np.savez(folder / "log_probs.npz", *log_probs)
    job = {"tokens": tokens, "words": words, "arpa": str(args.arpa), "log_probs": str(folder / "log_probs.npz")}
    (folder / "job.json").write_text(json.dumps(job))
    return texts, log_probs, seconds, package.tokenizer, len(words)


def totals(texts, log_probs, args, tokenizer):
    """What each text is worth by the sum that all decoders search for the greatest of: its CTC log-probability, its language
    model's times the weight, its words times the bonus."""
    import torch

    from speechrnn.lm.ngram import NgramModel

    lm, values = NgramModel.read(args.arpa), []
    for text, each in zip(texts, log_probs, strict=True):
        words, target = text.split(), torch.tensor([tokenizer.encode(text)])
        acoustic = -torch.nn.functional.ctc_loss(
            torch.tensor(each)[:, None], target, [len(each)], [target.shape[1]], reduction="sum"
        ).item()
        values.append(acoustic + args.lm_weight * lm.score_sentence(words) + args.word_bonus * len(words))
    return np.array(values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="package: a bundled name or a directory (default: the bundled one)")
    parser.add_argument("--manifest", required=True)
    parser.add_argument("--arpa", required=True)
    parser.add_argument("--words", help="the vocabulary, a word a line (default: the ARPA file's)")
    parser.add_argument("--utterances", type=int, default=100, help="evenly spaced ones of the manifest (default: 100)")
    parser.add_argument("--synthetic", action="store_true", help="log-probabilities from the texts")
    parser.add_argument("--lm-weight", type=float, default=0.5)
    parser.add_argument("--word-bonus", type=float, default=1.0)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--score-threshold", type=float, default=15.0)
    parser.add_argument("--token-threshold", type=float, default=8.0)
    parser.add_argument("--flashlight", metavar="PYTHON")
    parser.add_argument("--flashlight-tokens", type=int, default=10, help="best tokens of a frame that it looks at")
    parser.add_argument("--pyctcdecode", metavar="PYTHON")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()

    from speechrnn.scoring.errors import align_words
    from speechrnn.search.greedy import greedy

    with tempfile.TemporaryDirectory() as folder:
        references, log_probs, seconds, tokenizer, words = prepare(args, Path(folder))
        frames = sum(map(len, log_probs))
        pythons = {ours: sys.executable, flashlight: args.flashlight, pyctcdecode: args.pyctcdecode}
        serving = {}
        for decoder in {decoder for _, decoder, _ in systems(args)}:
            command = [pythons[decoder], __file__, "serve", decoder.__name__, str(Path(folder) / "job.json")]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            serving[decoder] = subprocess.Popen(command, text=True, **pipes)
        took: dict[str, list[float]] = {}
        texts = {"greedy": [tokenizer.decode(greedy(each)) for each in log_probs]}
        for _ in range(args.runs):
            for name, decoder, settings in systems(args):
                process = serving[decoder]
                print(json.dumps(settings), file=process.stdin, flush=True)
                answer = process.stdout.readline()
                if not answer:
                    sys.exit(f"{name}: the process ended; run `{' '.join(process.args)}` to see why")
                used, texts[name] = json.loads(answer)
                took.setdefault(name, []).append(used)
        for process in serving.values():
            process.stdin.close()
            process.wait()

    first = statistics.median(took[systems(args)[0][0]])
    print(f"{len(references)} utterances, {frames} frames, {seconds:.0f} s; {words} words, {args.arpa}")
    print(f"lm_weight {args.lm_weight:g}, word_bonus {args.word_bonus:g}")
    print(f"\n{'decoder':48}{'WER %':>7}{'total':>9}{'us a frame':>12}{'RTF':>9}{'this / first':>14}")
    for name, found in texts.items():
        pairs = [pair for aligned in align_words(references, found) for pair in aligned]
        rate = 100 * sum(a != b for a, b in pairs) / sum(a is not None for a, _ in pairs)
        used = statistics.median(took.get(name, [0]))
        figures = f"{1e6 * used / frames:12.0f}{used / seconds:9.4f}{used / first:14.2f}" if used else ""
        total = totals(found, log_probs, args, tokenizer).mean()
        print(f"{name:48}{rate:7.2f}{total:9.2f}{figures}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve({"ours": ours, "flashlight": flashlight, "pyctcdecode": pyctcdecode}[sys.argv[2]], sys.argv[3])
    else:
        main()

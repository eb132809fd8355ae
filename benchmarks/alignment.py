"""The Viterbi alignment of a known text against torchaudio's forced_align, on the same log-probabilities.

The audio is a manifest's utterances, one after the other, over and over, and the text what is said in them. Each
alignment runs in a process of its own, one thread, by turns; its time and what it adds to the process's largest memory are
shown, and the share of frames at which both agree.

  python benchmarks/alignment.py an4 data/an4/dev.jsonl
"""

import argparse
import multiprocessing
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

LENGTHS = {"10 s": 10.0, "10 min": 600.0, "30 min": 1800.0, "1 h": 3600.0}


def ours(log_probs: np.ndarray, ids: np.ndarray) -> np.ndarray:
    from speechrnn.alignment.viterbi import align

    return np.append(ids, 0)[align(log_probs, ids)]


def torchaudios(log_probs: np.ndarray, ids: np.ndarray) -> np.ndarray:
    import torch
    from torchaudio.functional import forced_align

    torch.set_num_threads(1)
    return forced_align(torch.from_numpy(log_probs)[None], torch.from_numpy(ids)[None].int())[0][0].numpy()


def measure(align, folder: str, sender) -> None:
    """Send the tokens (frames,), the median seconds of runs of a second together, and the MiB that they added."""
    log_probs, ids = np.load(f"{folder}/log_probs.npy"), np.load(f"{folder}/ids.npy")
    align(log_probs[:100], ids[:3])  # imports and first calls
    before = peak_mebibytes()
    runs = []
    while not runs or sum(runs) < 1.0:
        began = time.perf_counter()
        tokens = align(log_probs, ids)
        runs.append(time.perf_counter() - began)
    sender.send((tokens, float(np.median(runs)), peak_mebibytes() - before))


def peak_mebibytes() -> float:
    """The largest memory of this process so far. (getrusage's counts the parent's, too.)"""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def in_a_process(align, folder: str):
    """What `measure` sends, or the process's exit status if it died."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure, args=(align, folder, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        process.join()
        return process.exitcode


def corpus(model: str, manifest: str) -> tuple[list[np.ndarray], list[list[int]], float]:
    """Of each utterance the log-probabilities (frames, tokens) and the token ids, a boundary after them; seconds a frame."""
    import speechrnn
    from speechrnn.audio import read_audio
    from speechrnn.manifest import read_manifest
    from speechrnn.text import normaliser

    recognizer = speechrnn.load(model)
    package = recognizer.package
    utterances = read_manifest(manifest)
    waveforms = [
        read_audio(u.audio_filepath, package.sample_rate, offset=u.offset, duration=u.duration) for u in utterances
    ]
    normalise = normaliser(package.normaliser)
    ids = [package.tokenizer.encode(normalise(u.text) + " ") for u in utterances]
    return recognizer.acoustic.log_probs(waveforms), ids, package.seconds_per_frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a bundled package's name or a package's directory")
    parser.add_argument("manifest", help="utterances with their texts")
    args = parser.parse_args()
    all_log_probs, all_ids, seconds_per_frame = corpus(args.model, args.manifest)
    print(
        f"{'audio':8}{'frames':>8}{'tokens':>8}{'ours s':>9}{'MiB':>7}"
        f"{'torchaudio s':>14}{'MiB':>7}{'time':>7}{'memory':>8}{'same':>10}"
    )
    for name, seconds in LENGTHS.items():
        frames = round(seconds / seconds_per_frame)
        pieces, ids, have = [], [], 0
        for i in range(frames):
            log_probs = all_log_probs[i % len(all_log_probs)]
            if have + len(log_probs) > frames:
                break
            pieces.append(log_probs)
            ids += all_ids[i % len(all_ids)]
            have += len(log_probs)
        with TemporaryDirectory() as folder:
            np.save(Path(folder) / "log_probs.npy", np.concatenate(pieces))
            np.save(Path(folder) / "ids.npy", np.array(ids[:-1]))
            tokens, took, added = in_a_process(ours, folder)
            line = f"{name:8}{have:8}{len(ids) - 1:8}{took:9.3f}{added:7.0f}"
            print(line, end="", flush=True)
            result = in_a_process(torchaudios, folder)
            if isinstance(result, int):
                print(f"   died with status {result}")
                continue
            theirs, their_time, their_memory = result
            print(
                f"{their_time:14.3f}{their_memory:7.0f}{their_time / took:7.2f}{their_memory / max(added, 1):8.1f}"
                f"{(tokens == theirs).mean():10.4%}"
            )


if __name__ == "__main__":
    main()

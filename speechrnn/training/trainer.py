"""The training loop, from a configuration to checkpoints. Read `Trainer.train` first."""

import copy
import json
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from speechrnn.data.audio_cache import AudioCache
from speechrnn.data.augment import SpeedPerturbation
from speechrnn.data.dataset import Batch, Dataset
from speechrnn.data.plan import padding_share, plan
from speechrnn.decoding.greedy import greedy
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance, read_manifest
from speechrnn.nn.ctc import consistency_loss, ctc_loss, frames_needed
from speechrnn.nn.front_end import frame_count
from speechrnn.nn.model import CTCModel
from speechrnn.nn.subsampling import output_frames
from speechrnn.scoring.errors import ErrorCounts, word_errors
from speechrnn.text import Tokenizer, normaliser
from speechrnn.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from speechrnn.training.config import Config, check_values, config_from_dict
from speechrnn.training.progress import Progress, progress_over
from speechrnn.training.schedule import learning_rate

# These may change when a run goes on: they do not change what it computes
NOT_THE_MODEL = ("name", "run", "language", "output_case", "data.cache", "data.dev")
SKIPPED_AT_MOST = 20  # updates without a finite gradient: more of them are a fault of the data or the rate
SAMPLES_SHOWN = 3  # dev hypotheses printed each epoch


class Trainer:
    """One training run: data, model, optimiser, and the folder that they are saved in.

    Everything random in update s is drawn from (seed, s) or (seed, epoch, utterance), so a run that is interrupted and resumed
    is the same run.
    """

    def __init__(self, config: Config):
        check_values(config)
        self.folder = Path(config.run)
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        # what `auto` came to is what a resumed run must come to
        self.config = config = replace(config, device=self.device.type, precision=self.precision)
        torch.manual_seed(config.seed)

        previous = self._previous()
        train = read_manifests(config.data.train)
        normalise = normaliser(config.data.normaliser)
        if previous:
            self.tokenizer = Tokenizer(previous.tokens)
        else:
            self.tokenizer = Tokenizer.from_texts(normalise(u.text).replace("|", " ") for u in train)
        self.train_set = self._dataset("train", train, fastest=max(config.augment.speed))
        self.dev_set = None
        if config.data.dev:
            self.dev_set = self._dataset("dev", read_manifest(config.data.dev), fastest=1.0)
            if not any(self.dev_set.texts):
                raise InputError(f"{config.data.dev}: expected a dev set with words in it, found nonspeech only")
        self.seconds = self.train_set.seconds(config.model.sample_rate)
        self.data = self.train_set.fingerprint()
        if previous and previous.data != self.data:
            raise InputError(f"{self.folder}: the training data is not what it was; choose another folder with run=...")

        self.model = CTCModel(config.model, len(self.tokenizer), config.augment.spec).to(self.device)
        self.speed = SpeedPerturbation(config.augment.speed).to(self.device)
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(), lr=config.optimiser.rate, weight_decay=config.optimiser.weight_decay, fused=True
        )
        self.epoch, self.step, self.best, self.spent = 0, 0, float("inf"), 0.0
        self.skipped = 0
        if previous:
            self._restore(previous)
        elif self.model.normalise.mode == "global":
            self._measure_features()
        self.average = None
        if config.optimiser.average:
            self.average = copy.deepcopy(self.model).requires_grad_(False)
            if previous:
                self.average.load_state_dict(previous.average)

    def train(self) -> None:
        """Train to the last epoch, evaluating and saving after each."""
        optimiser = self.config.optimiser
        plans = [self.plan(epoch) for epoch in range(optimiser.epochs)]
        ends = np.cumsum([len(batches) // optimiser.accumulate for batches in plans])
        self._announce(plans[0])
        with Progress(self.folder, self.step, steps=int(ends[-1])) as progress:
            while self.epoch < optimiser.epochs:
                started = time.monotonic()
                batches = plans[self.epoch]
                losses = []
                for first in range(0, len(batches), optimiser.accumulate):
                    rate = learning_rate(self.step, int(ends[-1]), optimiser.rate, optimiser.warmup)
                    row = self.update(batches[first : first + optimiser.accumulate], rate)
                    losses.append(row["loss"])
                    self.step += 1
                    progress.step(self.step, {"epoch": self.epoch + 1, "rate": rate, **row})
                row = self.evaluate() if self.dev_set else {}
                self.epoch += 1
                self.spent += time.monotonic() - started
                improved = row.get("dev_wer", float("inf")) < self.best
                self.best = min(self.best, row.get("dev_wer", float("inf")))
                loss = float(np.mean([loss for loss in losses if np.isfinite(loss)] or [np.inf]))
                progress.epoch(self.step, {"epoch": self.epoch, "train_loss": loss, **row, "minutes": self.spent / 60})
                if improved:
                    self.save("best.pt")  # first: last.pt says what the best is
                self.save("last.pt")

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The batches of one epoch."""
        data, optimiser = self.config.data, self.config.optimiser
        return plan(self.seconds, self.config.seed, epoch, data.max_seconds, accumulate=optimiser.accumulate)

    def update(self, batches: list[np.ndarray], rate: float) -> dict:
        """One update of the weights from one or more batches. Returns its loss (mean of the utterances) and gradient norm."""
        utterances = sum(map(len, batches))
        total = torch.zeros((), device=self.device)
        ids: list[str] = []
        for index, indices in enumerate(batches):
            torch.manual_seed(draw_seed(self.config.seed, self.step, index))  # dropout and SpecAugment
            batch = self.train_set.batch(indices)
            ids += batch.ids
            waveform, lengths = self.perturb(batch, indices)
            loss = self.loss(batch, waveform, lengths).sum() / utterances
            loss.backward()
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        if torch.isfinite(norm):
            self.optimiser.step()
            self._update_average()
        else:
            self._skip(ids)
        self.optimiser.zero_grad(set_to_none=True)
        return {"loss": float(total), "gradient_norm": float(norm)}

    def _skip(self, ids: list[str]) -> None:
        """Name the utterances of an update that was left out; too many such updates stop the run."""
        self.skipped += 1
        path = self.folder / "bad_batches.jsonl"
        print(f"update {self.step}: the gradient is not finite, skipped: {' '.join(ids)}", file=sys.stderr)
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": self.step, "ids": ids}, ensure_ascii=False) + "\n")
        if self.skipped == SKIPPED_AT_MOST:
            raise InputError(f"{self.skipped} updates had no finite gradient: look at the utterances in {path}")

    def perturb(self, batch: Batch, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch on the device, each utterance at a speed drawn from (seed, epoch, utterance)."""
        seed, factors = self.config.seed, len(self.config.augment.speed)
        choice = np.array([np.random.default_rng([seed, self.epoch, i]).integers(factors) for i in indices])
        return self.speed(batch.waveform.to(self.device), batch.lengths.to(self.device), choice)

    def loss(self, batch: Batch, waveform: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The loss of each utterance, (batch,): CTC, or the mean of two views' CTC and their disagreement."""
        weight = self.config.optimiser.consistency
        views = 2 if weight else 1
        with self.autocast():
            log_probs, frame_lengths = self.model(waveform, lengths, views)
        labels, label_lengths = batch.labels.to(self.device), batch.label_lengths.to(self.device)
        losses = ctc_loss(log_probs, frame_lengths, labels.repeat(views), label_lengths.repeat(views))
        if views == 1:
            return losses
        return losses.view(2, -1).mean(0) + weight * consistency_loss(log_probs, frame_lengths)

    def autocast(self) -> torch.autocast:
        """A context in which matrix products are computed in the run's precision."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16")

    @torch.inference_mode()
    def evaluate(self) -> dict:
        """Greedy WER and loss on the dev set, with the weights that would be exported."""
        model = (self.average or self.model).eval()
        seconds = self.dev_set.seconds(self.config.model.sample_rate)
        texts, losses, blanks = {}, [], []
        for indices in plan(seconds, seed=0, epoch=0, max_seconds=self.config.data.max_seconds):
            batch = self.dev_set.batch(indices)
            with self.autocast():
                log_probs, frame_lengths = model(batch.waveform.to(self.device), batch.lengths.to(self.device))
            log_probs, frame_lengths = log_probs.cpu(), frame_lengths.cpu()
            losses.append(ctc_loss(log_probs, frame_lengths, batch.labels, batch.label_lengths))
            for index, frames, length in zip(indices, log_probs, frame_lengths, strict=True):
                texts[index] = self.tokenizer.decode(greedy(frames[:length].numpy()))
                blanks.append((frames[:length].argmax(-1) == 0).float().mean())
        self.model.train()
        hypotheses = [texts[i] for i in range(len(self.dev_set))]
        counts = sum(word_errors(self.dev_set.texts, hypotheses), ErrorCounts())
        shown = np.linspace(0, len(hypotheses) - 1, SAMPLES_SHOWN).astype(int)
        return {
            "dev_loss": float(torch.cat(losses).mean()),
            "dev_wer": counts.rate,
            "dev_counts": counts.line(),
            "blank_share": float(torch.stack(blanks).mean()),
            "samples": [[self.dev_set.texts[i], hypotheses[i]] for i in shown],
        }

    def save(self, name: str) -> None:
        """Write a checkpoint into the run's folder."""
        checkpoint = Checkpoint(
            config=asdict(self.config),
            data=self.data,
            tokens=self.tokenizer.tokens,
            epoch=self.epoch,
            step=self.step,
            seconds=self.spent,
            best=self.best,
            model=self.model.state_dict(),
            average=self.average.state_dict() if self.average else {},
            optimiser=self.optimiser.state_dict(),
        )
        write_checkpoint(self.folder / name, checkpoint)

    def _previous(self) -> Checkpoint | None:
        if not (self.folder / "last.pt").exists():
            return None
        previous = read_checkpoint(self.folder / "last.pt")
        before = config_from_dict(previous.config, str(self.folder / "last.pt"))
        changed = [k for k in differing(asdict(before), asdict(self.config)) if k not in NOT_THE_MODEL]
        if changed:
            raise InputError(
                f"{self.folder}: holds a run with another configuration ({', '.join(changed)}); "
                "choose another folder with run=..., or remove this one"
            )
        finished = previous.epoch == self.config.optimiser.epochs
        what = f"finished, after {previous.epoch} epochs" if finished else f"going on after epoch {previous.epoch}"
        print(f"{self.folder}: {what}", file=sys.stderr)
        return previous

    def _restore(self, previous: Checkpoint) -> None:
        self.model.load_state_dict(previous.model)
        self.optimiser.load_state_dict(previous.optimiser)
        self.epoch, self.step = previous.epoch, previous.step
        self.best, self.spent = previous.best, previous.seconds

    def _dataset(self, name: str, utterances: list, fastest: float) -> Dataset:
        show = progress_over(f"decoding {name}")
        cache = AudioCache(utterances, self.config.model.sample_rate, self.config.data.cache, show)
        fits = partial(feasible, self.model_frames, fastest)
        dataset = Dataset(utterances, cache, self.tokenizer, normaliser(self.config.data.normaliser), fits)
        dataset.report(name)
        if not len(dataset):
            raise InputError(f"{name}: no utterance is left to use")
        return dataset

    def model_frames(self, samples: int) -> int:
        """How many frames the model makes of so many samples."""
        model = self.config.model
        shift = round(model.front_end.shift_seconds * model.sample_rate)
        return output_frames(frame_count(samples, shift), model.subsampling)

    @torch.no_grad()
    def _measure_features(self) -> None:
        """The mean and deviation of each feature over the training set, for `normalise: global`."""
        frames, total, squares = 0, 0.0, 0.0
        for indices in self.plan(0):
            batch = self.train_set.batch(indices)
            features, lengths = self.model.front_end(batch.waveform.to(self.device), batch.lengths.to(self.device))
            for row, length in zip(features.double(), lengths, strict=True):
                frames += int(length)
                total = total + row[:length].sum(0)
                squares = squares + row[:length].square().sum(0)
        mean = total / frames
        self.model.normalise.mean.copy_(mean)
        self.model.normalise.deviation.copy_((squares / frames - mean.square()).clamp(min=1e-5).sqrt())

    @torch.no_grad()
    def _update_average(self) -> None:
        if self.average is not None:
            decay = min(self.config.optimiser.average, (1 + self.step) / (10 + self.step))  # short at first
            torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)

    def _announce(self, batches: list[np.ndarray]) -> None:
        parameters = sum(p.numel() for p in self.model.parameters())
        dev = f", {len(self.dev_set)} dev utterances" if self.dev_set else ", no dev set"
        print(
            f"{len(self.train_set)} utterances ({self.seconds.sum() / 3600:.2f} h) in {len(batches)} batches "
            f"({padding_share(self.seconds, batches):.1%} padding){dev}; {parameters / 1e6:.1f} M parameters, "
            f"{len(self.tokenizer)} tokens, {self.device.type}, {self.precision}, seed {self.config.seed}, {self.folder}",
            file=sys.stderr,
        )


def read_manifests(paths: list[str]) -> list[Utterance]:
    """The utterances of several manifests, whose ids must differ."""
    if not paths:
        raise InputError("data.train: expected at least one manifest, such as data.train=[data/mine/all.jsonl]")
    utterances: dict[str, Utterance] = {}
    for path in paths:
        for utterance in read_manifest(path):
            if utterance.id in utterances:
                raise InputError(f"{path}: the id {utterance.id!r} stands in another training manifest, too")
            utterances[utterance.id] = utterance
    return list(utterances.values())


def feasible(model_frames, fastest: float, samples: int, labels: list[int]) -> bool:
    """Whether CTC can emit the labels even when the utterance is played at the fastest speed."""
    return model_frames(int(samples / fastest)) >= frames_needed(labels)


def draw_seed(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def differing(a: dict, b: dict, prefix: str = "") -> list[str]:
    """The dotted keys whose values differ in two nested dictionaries."""
    keys = []
    for key in sorted(a.keys() | b.keys()):
        left, right = a.get(key), b.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            keys += differing(left, right, f"{prefix}{key}.")
        elif left != right:
            keys.append(f"{prefix}{key}")
    return keys


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` is the GPU where there is one."""
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device: expected auto, cpu or cuda, found {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: cuda was asked for, and torch finds no GPU; use device=cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def choose_precision(name: str, device: torch.device) -> str:
    """float32 or bfloat16; `auto` is bfloat16 where the device computes with it in hardware."""
    if name not in ("auto", "float32", "bfloat16"):
        raise InputError(f"precision: expected auto, float32 or bfloat16, found {name!r}")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if torch.cpu.get_capabilities().get("avx512_bf16", False) else "float32"

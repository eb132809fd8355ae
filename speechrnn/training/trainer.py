"""The training loop, from a configuration to checkpoints. Read `Trainer.train` first, then `Trainer.update`."""

import copy
import signal
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from speechrnn.data.augment import Augmentation
from speechrnn.data.dataset import Batch
from speechrnn.data.plan import padding_share
from speechrnn.errors import InputError
from speechrnn.nn.ctc import consistency_loss, ctc_loss
from speechrnn.nn.model import CTCModel
from speechrnn.runs.bad_batches import BadBatches
from speechrnn.runs.checkpoint import Checkpoint, Checkpoints, Position
from speechrnn.runs.config import Config, check_values
from speechrnn.runs.progress import Progress, say
from speechrnn.training.data import TrainingData, measure_features, model_frames
from speechrnn.training.device import PRECISIONS, choose_device, choose_precision
from speechrnn.training.distributed import Processes
from speechrnn.training.evaluation import evaluate
from speechrnn.training.initialise import freeze, initialise_from
from speechrnn.training.interruption import Interruption
from speechrnn.training.resuming import check_alike, previous_checkpoint
from speechrnn.training.schedule import learning_rate


class Trainer:
    """One training run: data, model, optimiser, and the folder that they are saved in.

    Everything random in update s is drawn from (seed, s) or (seed, epoch, utterance), so a run that is interrupted and resumed
    is the same run, and so is one of 2 processes and one of 1 with twice the accumulation.
    """

    def __init__(self, config: Config, processes: Processes | None = None):
        check_values(config)
        CTCModel(config.model, 2, config.augment.spec)  # what cannot be built is said before hours of audio are decoded
        self.folder = Path(config.run)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.processes = processes or Processes()
        self.device = choose_device(config.device)
        self.precision = choose_precision(config.precision, self.device)
        # what `auto` came to is what a resumed run must come to
        self.config = config = replace(config, device=self.device.type, precision=self.precision)
        torch.manual_seed(config.seed)

        self.checkpoints = Checkpoints(self.folder, config.checkpoints.last, config.checkpoints.best)
        self.batches_an_update = self.processes.world * config.optimiser.accumulate
        previous = self.processes.told_by_first(
            lambda: previous_checkpoint(self.checkpoints, config, self.batches_an_update)
        )
        with self.processes.one_a_machine_first():
            self.augmentation = Augmentation(config.augment, config.model.sample_rate, config.data.cache).to(
                self.device
            )
        tokens = previous.tokens if previous else None
        self.data = TrainingData(config, self.processes, self.augmentation, tokens)
        check_alike(self.processes.gathered((asdict(config), self.data.fingerprints)))
        if previous and previous.data != self.data.fingerprints["train"]:
            raise InputError(f"{self.folder}: the training data is not what it was; choose another folder with run=...")

        self.model = CTCModel(config.model, len(self.data.tokenizer), config.augment.spec).to(self.device)
        if not previous and self.model.normalise.mode == "global":
            measure_features(self.model, self.data)
        if not previous and config.init_from:
            found = initialise_from(self.model, self.data.tokenizer, config.init_from)
            self._say("\n".join(found.lines()))
        if config.freeze:
            freeze(self.model, config.freeze)
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(
            trained, lr=config.optimiser.rate, weight_decay=config.optimiser.weight_decay, fused=True
        )
        # The processes' losses are multiplied by their number: what overflows does not depend on it
        scale = 2.0**16 / self.processes.world
        self.scaler = torch.amp.GradScaler(self.device.type, scale, enabled=self.precision == "float16")
        self.average = copy.deepcopy(self.model).requires_grad_(False) if config.optimiser.average else None
        self.at = Position()
        if previous:
            self._restore(previous)
        self.bad_batches = BadBatches(self.folder, self.at.step, self.processes.first)
        self.network = self.processes.replicated(self.model)

    def train(self) -> int:
        """Train to the last epoch, evaluating after each. Returns 0, or the signal that stopped it, saved."""
        if self.finished():
            return 0
        speaks, alone = self.processes.first, self.processes.world == 1
        with Interruption(alone) as interruption, Progress(self.folder, self.at, speaks) as progress:
            self._announce()
            while not self.finished():
                updates = self.data.updates(self.at.epoch)
                saved, stop = time.monotonic(), False
                while self.at.update < len(updates) and not stop:
                    share = (self.at.epoch + (self.at.update + 0.5) / len(updates)) / self.config.optimiser.epochs
                    logged = self.update(updates[self.at.update], share, stop=bool(interruption.signal))
                    stop = logged.pop("stop")
                    progress.update(self.at, share, logged)
                    if not stop and time.monotonic() - saved >= 60 * self.config.checkpoints.minutes:
                        progress.flush()
                        self.save()
                        saved = time.monotonic()
                row = None if stop else self.evaluate(lambda: bool(interruption.signal))
                if row is None:
                    progress.flush()
                    self.save()
                    self.processes.wait()  # torchrun ends the others when the first has ended
                    self._say("interrupted, and saved: the same command goes on from here")
                    return interruption.signal or signal.SIGTERM
                self._end_epoch(row)
                progress.epoch(self.at, row)
                self.save(row)
                progress.tell(self.at, row)
        if self.at.epoch < self.config.optimiser.epochs:
            self._say(
                f"ended: no lower dev WER, nor a lower loss with it, in the last {self.config.optimiser.patience} epochs"
            )
        return 0

    def finished(self) -> bool:
        """Whether all epochs are done, or none was the best for `patience` of them."""
        optimiser = self.config.optimiser
        tired = optimiser.patience and self.at.epoch - self.at.best_epoch >= optimiser.patience
        return self.at.epoch >= optimiser.epochs or bool(tired)

    def update(self, batches: list[np.ndarray], share: float, stop: bool = False) -> dict:
        """One update of the weights from the batches of all processes, of which this one computes its share.

        Returns what is logged of it: the loss (mean of the utterances), the gradient's norm, and whether any process was asked
        to `stop`. The device is waited for once, to learn whether the gradient is finite.
        """
        started, data_seconds = time.monotonic(), 0.0
        rank, world = self.processes.rank, self.processes.world
        utterances = sum(map(len, batches))
        total = torch.zeros((), device=self.device)
        computed: list[tuple[list[str], torch.Tensor]] = []
        mine, network = list(enumerate(batches))[rank::world], self.network
        for index, indices in mine:
            torch.manual_seed(draw_seed(self.config.seed, self.at.step, index))  # dropout and SpecAugment
            began = time.monotonic()
            batch = self.data.train.batch(indices)
            data_seconds += time.monotonic() - began
            last = index == mine[-1][0]
            with network.no_sync() if isinstance(network, DistributedDataParallel) and not last else nullcontext():
                losses = self.loss(batch, indices)
                loss = losses.sum() / utterances
                self.scaler.scale(loss * world).backward()  # the processes' gradients are averaged
            total += loss.detach()
            computed.append((batch.ids, losses.detach()))
        self.scaler.unscale_(self.optimiser)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.optimiser.clip)
        asked = torch.tensor(float(stop), device=self.device)
        loss, stops, norm = self.processes.summed(torch.stack([total, asked, norm / world])).tolist()
        if np.isfinite(loss) and np.isfinite(norm):
            self._step(share)
        elif not np.isfinite(loss) or self.scaler.get_scale() <= 1:
            self._skip(computed)  # else float16 overflowed, as it does until the scale has come down
        self.scaler.update()
        self.optimiser.zero_grad(set_to_none=True)
        self.at.step += 1
        self.at.update += 1
        if np.isfinite(loss):
            self.at.loss_sum += loss
            self.at.loss_count += 1
        seconds = time.monotonic() - started
        audio = sum(float(self.data.seconds[indices].sum()) for indices in batches)
        self.at.seconds += seconds
        self.at.epoch_seconds += seconds
        self.at.epoch_audio += audio
        return {
            "loss": loss,
            "gradient_norm": norm,
            "rate": self.optimiser.param_groups[0]["lr"],
            "audio_seconds": audio,
            "seconds": seconds,
            "data_seconds": data_seconds,
            "stop": stops > 0,
        }

    def loss(self, batch: Batch, indices: np.ndarray) -> torch.Tensor:
        """The loss of each utterance, (batch,): CTC, or the mean of two views' CTC and their disagreement; and of what the
        middle of the network says."""
        optimiser = self.config.optimiser
        views = 2 if optimiser.consistency else 1
        waveform, lengths = self.augmented(batch, indices)
        with self.autocast():
            log_probs, frames, *middle = self.network(
                waveform, lengths.to(self.device), views, optimiser.intermediate > 0
            )
        ctc = partial(
            ctc_loss,
            frame_lengths=model_frames(self.config.model, lengths).repeat(views),  # on the CPU, where CTC wants them
            labels=batch.labels.to(self.device).repeat(views),
            label_lengths=batch.label_lengths.repeat(views),
        )
        losses = ctc(log_probs)
        if middle:
            losses = (1 - optimiser.intermediate) * losses + optimiser.intermediate * ctc(middle[0])
        losses = losses.view(views, -1).mean(0)
        if views == 2:
            losses = losses + optimiser.consistency * consistency_loss(log_probs, frames)
        return losses

    def augmented(self, batch: Batch, indices: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The batch's waveforms on the device and their lengths on the CPU, changed as drawn from (seed, epoch, utterance)."""
        generators = self.data.generators(self.at.epoch, indices)
        return self.augmentation(batch.waveform.to(self.device), batch.lengths, generators)

    def autocast(self) -> torch.autocast:
        """A context in which matrix products are computed in the run's precision."""
        return torch.autocast(self.device.type, PRECISIONS[self.precision], enabled=self.precision != "float32")

    def evaluate(self, stopped: Callable[[], bool]) -> dict | None:
        """The dev set, if there is one, with the weights that would be exported; where those are an average, also with the raw
        ones. None if it was `stopped`."""
        if not self.data.dev:
            return {}
        batches, rows = self.data.dev_batches(), []
        for model in filter(None, (self.average, self.model)):
            row = evaluate(model, self.data.dev, batches, self.data.tokenizer, self.autocast, self.processes, stopped)
            if row is None:
                return None
            rows.append(row)
        raw = {f"{name}_raw": rows[1][name] for name in ("dev_loss", "dev_wer")} if len(rows) == 2 else {}
        return {**rows[0], **raw}

    def save(self, row: dict | None = None) -> None:
        """Write a checkpoint; with the `row` of an epoch, which may make it one of the best."""
        if not self.processes.first:
            return
        checkpoint = Checkpoint(
            config=asdict(self.config),
            data=self.data.fingerprints["train"],
            tokens=self.data.tokenizer.tokens,
            position=self.at,
            model=self.model.state_dict(),
            average=self.average.state_dict() if self.average else {},
            optimiser=self.optimiser.state_dict(),
            scaler=self.scaler.state_dict(),
            batches_an_update=self.batches_an_update,
        )
        if row and "dev_wer" in row:
            self.checkpoints.save(checkpoint, row["dev_wer"], row["dev_loss"])
        else:
            self.checkpoints.save(checkpoint)

    def _step(self, share: float) -> None:
        optimiser = self.config.optimiser
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(share, optimiser.rate, optimiser.warmup)
        self.scaler.step(self.optimiser)
        if self.average is not None:
            decay = min(optimiser.average, (1 + self.at.step) / (10 + self.at.step))  # short at first
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.model.parameters()), 1 - decay)

    def _skip(self, computed: list[tuple[list[str], torch.Tensor]]) -> None:
        """Name the utterances of an update that is left out; too many such updates stop the run."""
        rows = [(id, loss) for ids, losses in computed for id, loss in zip(ids, losses.tolist(), strict=True)]
        rows = [row for share in self.processes.gathered(rows) for row in share]
        ids, guilty = [id for id, _ in rows], [id for id, loss in rows if not np.isfinite(loss)]
        self.at.skipped += 1
        if self.processes.first:
            self._say(f"update {self.at.step}: the gradient is not finite, skipped: {' '.join(guilty or ids)}")
        self.bad_batches.add(self.at.step, guilty, ids)
        self.bad_batches.check(self.at.skipped)

    def _end_epoch(self, row: dict) -> None:
        """Count the epoch, and complete the `row` that is logged of it."""
        at = self.at
        at.epoch, at.update = at.epoch + 1, 0
        if "dev_wer" in row and (row["dev_wer"], row["dev_loss"]) < (at.best, at.best_loss):
            at.best, at.best_loss, at.best_epoch = row["dev_wer"], row["dev_loss"], at.epoch
        row["train_loss"] = at.loss_sum / at.loss_count if at.loss_count else float("inf")
        row |= {"minutes": at.seconds / 60, "audio_hours_an_hour": at.epoch_audio / at.epoch_seconds}
        at.loss_sum, at.loss_count, at.skipped, at.epoch_seconds, at.epoch_audio = 0.0, 0, 0, 0.0, 0.0

    def _restore(self, previous: Checkpoint) -> None:
        try:
            self.model.load_state_dict(previous.model)
            self.optimiser.load_state_dict(previous.optimiser)
            self.scaler.load_state_dict(previous.scaler)
            if self.average is not None:
                self.average.load_state_dict(previous.average)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.checkpoints.folder}: the newest does not fit the network: {reason}") from None
        self.at = previous.position
        done = f"{self.at.epoch} epochs" + (f" and {self.at.update} updates" if self.at.update else "")
        self._say(f"{self.folder}: {'finished, after' if self.finished() else 'going on after'} {done}")

    def _announce(self) -> None:
        data, at = self.data, self.at
        batches = [batch for update in data.updates(at.epoch) for batch in update]
        padding = padding_share(data.played_seconds(at.epoch), batches)
        parameters = sum(p.numel() for p in self.model.parameters())
        frozen = sum(p.numel() for p in self.model.parameters() if not p.requires_grad)
        self._say(
            f"{len(data.train)} utterances ({data.seconds.sum() / 3600:.2f} h) in {len(batches)} batches "
            f"({padding:.1%} padding), "
            + (f"{len(data.dev)} dev utterances; " if data.dev else "no dev set; ")
            + f"{parameters / 1e6:.1f} M parameters"
            + (f" ({frozen / 1e6:.1f} M frozen)" if frozen else "")
            + f", {len(data.tokenizer)} tokens, {self.device.type}, {self.precision}, seed {self.config.seed}"
            + (f", {self.processes.world} processes" if self.processes.world > 1 else "")
            + f", {self.folder}"
        )

    def _say(self, text: str) -> None:
        if self.processes.first:
            say(text)


def draw_seed(*numbers: int) -> int:
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])

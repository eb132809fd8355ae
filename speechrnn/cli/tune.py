"""Choose the weight of a language model, the bonus of a word and the width of the beam on a dev manifest.

The acoustic model runs once; what is tried is printed as word error rates in percent. The best values are written into the
package, where `speechrnn transcribe` and `evaluate` find them. The manifest must be neither what the model was trained on nor
a test set: one in whose name a word begins with "test" is refused.

  speechrnn tune models/mine dev.jsonl --lm books.lm              puts the language model into the package
  speechrnn tune models/mine dev.jsonl --lm train.lm --closed     and lets no words come but its own
  speechrnn tune models/mine dev.jsonl --picture tuning.png       chooses again, for the one that is there
  speechrnn tune models/final --like models/mine --lm all.lm      takes the values of another package: where the final
                                                                  model is trained on the dev utterances, too
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechrnn.cli import PACKAGE, positive
from speechrnn.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from speechrnn.package import Package
    from speechrnn.recognizer import Recognizer
    from speechrnn.search.language_model import LanguageModel
    from speechrnn.search.tuning import Tuned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", help=PACKAGE)
    parser.add_argument("manifest", nargs="?", metavar="DEV_MANIFEST", help="held-out utterances, as JSON lines")
    parser.add_argument("--like", metavar="TUNED", help="instead of a manifest: a package whose values to take")
    parser.add_argument("--lm", metavar="FILE", help="a language model for the package (default: the one that it has)")
    parser.add_argument("--closed", action="store_true", help="no words but those of --lm may come")
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="write the tuned package there, and leave PACKAGE as it is"
    )
    parser.add_argument("--picture", metavar="PNG", help="draw the error rates as a heat map (needs matplotlib)")
    parser.add_argument("--threads", type=positive, metavar="N", help="processor threads (default: one a core)")


def run(args: argparse.Namespace) -> int:
    from functools import partial

    from speechrnn.package import PRIOR_WEIGHT, WEIGHTS, read_package, write_decoder
    from speechrnn.package_cache import find_package
    from speechrnn.search.language_model import read_language_model, read_packaged, write_packaged

    _check(args)
    package = read_package(find_package(args.package))
    model = read_language_model(args.lm, package, args.closed) if args.lm else read_packaged(package)
    if model is None:
        raise InputError(f"{package.directory}: expected a language model in its lm/, found none: name one with --lm")
    decoder = _chosen(args, model) if args.manifest else _taken(args.like, package)
    directory = args.output or package.directory
    write_decoder(package, decoder, directory, partial(write_packaged, model, package.tokenizer) if args.lm else None)
    values = ", ".join(f"{name} {decoder[name]:g}" for name in (*WEIGHTS, PRIOR_WEIGHT) if name in decoder)
    _say(f"{directory}: {model.describe()}, {values}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """What is known to be wrong before the work."""
    from speechrnn.package import bundled
    from speechrnn.scoring.results import is_test_set

    if bool(args.manifest) == bool(args.like):
        raise InputError("expected either a dev manifest or --like and a tuned package")
    if args.manifest and is_test_set(args.manifest):
        raise InputError(f"{args.manifest}: is a test set, by its name: tune on other utterances, and test once")
    if args.closed and not args.lm:
        raise InputError("--closed: expected --lm beside it, whose words they are, found none")
    if args.package in bundled() and not args.output:
        raise InputError(f"{args.package}: is a bundled model: name a directory for the tuned one with -o")
    if args.output and Path(args.output).exists():
        raise InputError(f"{args.output}: expected the name of a folder that does not exist yet, found something there")
    if args.picture:
        from speechrnn.pictures import new_figure

        new_figure(1, 1)  # says so if there is no matplotlib


def _taken(name: str, model: "Package") -> dict[str, Any]:
    """The decoder's description of a tuned package."""
    from speechrnn.package import PRIORS, WEIGHTS, read_package
    from speechrnn.package_cache import find_package

    package = read_package(find_package(name))
    if missing := [key for key in WEIGHTS if key not in package.decoder]:
        raise InputError(f"{package.directory}: expected a tuned package, found no {missing[0]} in its decoder")
    if package.token_type != model.token_type:
        raise InputError(f"--like {name}: expected a model of {model.token_type}, found one of {package.token_type}")
    return {"method": "beam", **{key: package.decoder[key] for key in (*WEIGHTS, *PRIORS) if key in package.decoder}}


def _chosen(args: argparse.Namespace, model: "LanguageModel") -> dict[str, Any]:
    """The decoder's description that does best on the manifest."""
    from speechrnn.manifest import read_manifest
    from speechrnn.package import LOG_PRIORS, PRIOR_WEIGHT
    from speechrnn.recognizer import Recognizer
    from speechrnn.search.tuning import as_good, at_the_edge, tune
    from speechrnn.text import normaliser

    utterances = read_manifest(args.manifest)
    recognizer = Recognizer(args.package, args.threads, lm=False)
    normalise = normaliser(recognizer.package.normaliser)
    references = [normalise(utterance.text) for utterance in utterances]
    words = sum(len(text.split()) for text in references)
    if not words:
        raise InputError(f"{args.manifest}: expected utterances in which something is said, found none")
    trial = Trial(recognizer.package, model, _log_probs(recognizer, utterances), references)
    tuned = tune(trial.errors)
    _show(trial, tuned, words)
    if at_the_edge(tuned.best):
        _say("note: the best is at the edge of what was tried: does the language model suit these utterances?")
    if (alike := as_good(tuned.grid)) > len(tuned.grid) / 2:
        _say(
            f"note: {alike} of {len(tuned.grid)} pairs of weights are within one error of the best: this dev set is too small or "
            "too easy to choose weights. Of equal ones, those nearest to the defaults were taken. Use more and harder utterances"
        )
    if args.picture:
        _say(f"{_draw(tuned, words, args.picture)}")
    return {
        "method": "beam",
        "beam": tuned.beam,
        "lm_weight": tuned.lm_weight,
        "word_bonus": tuned.word_bonus,
        "unknown_penalty": trial.unknown_penalty,
        **(
            {PRIOR_WEIGHT: tuned.prior_weight, LOG_PRIORS: trial.priors.round(4).tolist()} if tuned.prior_weight else {}
        ),
    }


class Trial:
    """Errors of decodings of the same log-probabilities (frames, tokens) against references that are normalised."""

    def __init__(
        self,
        package: "Package",
        model: "LanguageModel",
        log_probs: Sequence["np.ndarray"],
        references: Sequence[str],
    ):
        from speechrnn.search.priors import log_priors

        self.package, self.model, self.log_probs, self.references = package, model, log_probs, references
        self.priors = log_priors(log_probs)
        self.tried, self.began = 0, time.perf_counter()
        self.unknown_penalty = self._search({}).word_scores.unknown_penalty

    def errors(self, lm_weight: float, word_bonus: float, beam: int, prior_weight: float) -> int:
        """The word errors with the language model."""
        from speechrnn.search.priors import discounted

        heard = [discounted(log_probs, self.priors, prior_weight) for log_probs in self.log_probs]
        found = self._search({"lm_weight": lm_weight, "word_bonus": word_bonus}, beam).search_batch(heard, 1)
        errors = self._count(found)
        self.tried += 1
        if sys.stderr.isatty():
            print(
                f"\r{self.tried} tried, {time.perf_counter() - self.began:.0f} s ", end="", file=sys.stderr, flush=True
            )
        return errors

    def without(self, beam: int | None) -> int:
        """The word errors without one: greedy, or with a beam and any word."""
        from speechrnn.search.decoder import Decoder

        return self._count(Decoder(self.package, lm=False, beam=beam).decode(self.log_probs))

    def _search(self, weights: dict[str, float], beam: int | None = None):
        from speechrnn.search.decoder import beam_search

        return beam_search(self.package, self.model, None, beam, {**self.package.decoder, **weights})

    def _count(self, found) -> int:
        from speechrnn.scoring.errors import ErrorCounts, word_errors
        from speechrnn.text import normaliser

        normalise = normaliser(self.package.normaliser)
        return sum(word_errors(self.references, [normalise(best[0].text) for best in found]), ErrorCounts()).errors


def _log_probs(recognizer: "Recognizer", utterances) -> list["np.ndarray"]:
    from speechrnn.cli.utterances import chunks
    from speechrnn.search.frames import check

    began, rate = time.perf_counter(), recognizer.package.sample_rate
    log_probs: list[np.ndarray] = []
    for chunk in chunks(utterances, rate, _say):
        names = [f"utterance {utterance.id}" for utterance, _ in chunk]
        for name, found in zip(names, recognizer.acoustic.log_probs([each for _, each in chunk], names), strict=True):
            check(found, len(recognizer.package.tokenizer), f"{name}: log-probabilities")
            log_probs.append(found)
    if len(log_probs) < len(utterances):
        raise InputError(
            f"{len(utterances) - len(log_probs)} of {len(utterances)} utterances could not be read: nothing was tuned"
        )
    seconds = sum(map(len, log_probs)) * recognizer.package.seconds_per_frame
    _say(
        f"{len(utterances)} utterances, {seconds:.0f} s of audio, through the acoustic model in "
        f"{time.perf_counter() - began:.1f} s"
    )
    return log_probs


def _show(trial: Trial, tuned: "Tuned", words: int) -> None:
    """The grid and the beams on stdout."""
    from speechrnn.search.tuning import GRID_BEAM, LM_WEIGHTS, WORD_BONUSES

    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    _say(f"{trial.tried} decodings in {time.perf_counter() - trial.began:.1f} s")
    print(
        f"WER % of {words} words; beam {GRID_BEAM}, prior weight {tuned.prior_weight:g}; down: lm weight, across: word bonus"
    )
    print(f"{'':6}" + "".join(f"{bonus:8g}" for bonus in WORD_BONUSES))
    for i, weight in enumerate(LM_WEIGHTS):
        cells = []
        for j in range(len(WORD_BONUSES)):
            rate = f"{100 * tuned.grid[i, j] / words:.2f}" if (i, j) in tuned.grid else ""
            cells.append(f"{rate:>7}{'*' if (i, j) == tuned.best else ' '}")
        print(f"{weight:<6g}" + "".join(cells).rstrip())
    widest = max(tuned.beams)
    phones = trial.package.tokenizer.has_phones
    rows = [] if phones else [("greedy", trial.without(None))]
    rows += [(f"beam {widest}, no language model", trial.without(widest))]
    rows += [
        (f"prior weight {weight:g}{' *' if weight == tuned.prior_weight else ''}", n)
        for weight, n in tuned.priors.items()
    ]
    rows += [(f"beam {beam}{' *' if beam == tuned.beam else ''}", errors) for beam, errors in tuned.beams.items()]
    print()
    for name, errors in rows:
        print(f"{name:32}{100 * errors / words:7.2f}")


def _draw(tuned: "Tuned", words: int, path: str) -> Path:
    """The grid as a heat map."""
    import numpy as np

    from speechrnn.pictures import new_figure, save_picture
    from speechrnn.search.tuning import GRID_BEAM, LM_WEIGHTS, WORD_BONUSES

    rates = np.full((len(LM_WEIGHTS), len(WORD_BONUSES)), np.nan)
    for cell, errors in tuned.grid.items():
        rates[cell] = 100 * errors / words
    figure = new_figure(8, 6)
    axes = figure.subplots()
    best = rates[tuned.best]
    # Colours tell apart what is near the best; a weight that is far off may double the errors
    image = axes.imshow(rates, cmap="viridis_r", vmin=best, vmax=max(1.3 * best, best + 1), aspect="auto")
    for (i, j), rate in np.ndenumerate(rates):
        if np.isfinite(rate):
            axes.text(j, i, f"{rate:.1f}", ha="center", va="center", color="white" if rate > 1.15 * best else "black")
    i, j = tuned.best
    axes.add_patch(_frame(j, i))
    axes.set_xticks(range(len(WORD_BONUSES)), [f"{bonus:g}" for bonus in WORD_BONUSES])
    axes.set_yticks(range(len(LM_WEIGHTS)), [f"{weight:g}" for weight in LM_WEIGHTS])
    tried = np.array(list(tuned.grid))  # with priors, only what is around the best
    axes.set_ylim(tried[:, 0].max() + 0.5, tried[:, 0].min() - 0.5)
    axes.set_xlim(tried[:, 1].min() - 0.5, tried[:, 1].max() + 0.5)
    axes.set_xlabel("word bonus")
    axes.set_ylabel("language model weight")
    title = f"WER % of {words} words, beam {GRID_BEAM}, prior weight {tuned.prior_weight:g}; best {best:.2f}"
    axes.set_title(title)
    figure.colorbar(image)
    return save_picture(figure, path, title)


def _frame(j: int, i: int):
    from matplotlib.patches import Rectangle

    return Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="red", linewidth=2)


def _say(message: str) -> None:
    print(f"speechrnn tune: {message}", file=sys.stderr, flush=True)

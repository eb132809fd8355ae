"""The corpora that lhotse knows: its recipes' recordings and supervisions as our utterances."""

import contextlib
import difflib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from speechrnn.data.corpora import LeftOut, Rules, Split, check
from speechrnn.errors import InputError
from speechrnn.manifest import Utterance


def prepare_lhotse(
    name: str, source: Path, destination: Path, rules: Rules, options: Mapping[str, object] | None = None
) -> list[Split]:
    """The splits of lhotse's recipe of that name, each ordered by id.

    `options` are further arguments of the recipe. What a recipe insists on writing goes to ``destination/lhotse``.

    Raises:
        InputError: there is no such recipe, it lacks an argument, it fails on `source`, or it gives no supervisions.
    """
    recipe = find_recipe(name)
    if not source.exists():
        raise InputError(f"{source}: expected the folder of the corpus {name}, found nothing")
    arguments = _arguments(name, recipe, source, destination, options or {})
    try:
        with contextlib.redirect_stdout(sys.stderr):  # our stdout is for the table
            result = recipe(**arguments)
    # Recipes check their input by assertions, or not at all: anything may be raised for a folder that is not the corpus.
    except Exception as error:  # noqa: BLE001
        message = str(error).strip().split("\n")[0] or traceback.extract_tb(error.__traceback__)[-1].line
        raise InputError(f"{source}: lhotse's recipe {name} failed: {type(error).__name__}: {message}") from None
    splits = [check(split, _found(*parts), rules) for split, *parts in _splits(result)]
    if not splits:
        raise InputError(f"{source}: lhotse's recipe {name} gave no supervisions, so there are no transcripts to take")
    return splits


def find_recipe(name: str) -> Callable:
    """lhotse's function ``prepare_<name>``; hyphens count as underscores.

    Raises:
        InputError: there is none; the names that come near are listed.
    """
    import lhotse.recipes

    recipes = {n.removeprefix("prepare_"): f for n, f in vars(lhotse.recipes).items() if n.startswith("prepare_")}
    wanted = name.lower().replace("-", "_")
    if wanted not in recipes:
        near = difflib.get_close_matches(wanted, recipes, n=5, cutoff=0.5)
        advice = f"near it: {', '.join(near)}" if near else f"it has {', '.join(sorted(recipes))}"
        raise InputError(f"lhotse has no recipe {name!r}; {advice}")
    return recipes[wanted]


def _arguments(name: str, recipe: Callable, source: Path, destination: Path, options: Mapping[str, object]) -> dict:
    parameters = inspect.signature(recipe).parameters
    unknown = sorted(options.keys() - parameters.keys())
    if unknown:
        raise InputError(f"lhotse's recipe {name} takes no {', '.join(unknown)}; it takes {', '.join(parameters)}")
    arguments = {"corpus_dir" if "corpus_dir" in parameters else next(iter(parameters)): source, **options}
    required = [p.name for p in parameters.values() if p.default is p.empty and p.name not in arguments]
    if "output_dir" in required:
        arguments["output_dir"] = destination / "lhotse"
        required.remove("output_dir")
    if required:
        raise InputError(
            f"lhotse's recipe {name} also needs {', '.join(required)}: give "
            + " ".join(f"--set {parameter}=..." for parameter in required)
        )
    return arguments


def _splits(result: object, names: tuple[str, ...] = ()) -> Iterator[tuple[str, object, object]]:
    """(name, recordings, supervisions) wherever they stand: recipes return both, or a dict of splits, or of languages."""
    if isinstance(result, tuple) and len(result) == 2:
        result = {"recordings": result[0], "supervisions": result[1]}
    if not isinstance(result, Mapping):
        return
    if result.get("recordings") is not None and result.get("supervisions") is not None:
        yield "-".join(names).replace("/", "-") or "all", result["recordings"], result["supervisions"]
        return
    for key in sorted(result, key=str):
        yield from _splits(result[key], (*names, str(key)))


def _found(recordings, supervisions) -> Iterator[Utterance | LeftOut]:
    by_id = {recording.id: recording for recording in recordings}
    ordered = sorted(supervisions, key=lambda supervision: supervision.id)
    channels: dict[str, set[str]] = {}
    for supervision in ordered:
        channels.setdefault(supervision.recording_id, set()).add(str(supervision.channel))
    for supervision in ordered:
        recording = by_id.get(supervision.recording_id)
        speaker = supervision.speaker or ""
        if recording is None:
            problem = ("supervision without a recording", supervision.recording_id)
        elif len(recording.sources) != 1:
            problem = ("recording of several files", f"{len(recording.sources)} files")
        elif recording.sources[0].type != "file":
            problem = ("recording that is not a file", recording.sources[0].type)
        elif recording.transforms:
            problem = ("recording with transforms", str(recording.transforms))
        elif len(channels[recording.id]) > 1:  # mixed down, the other channel's speech would be in it
            problem = ("one channel of several", f"channel {supervision.channel} of {recording.sources[0].source}")
        else:
            yield Utterance(
                id=supervision.id,
                audio_filepath=str(recording.sources[0].source),
                text=supervision.text or "",
                offset=float(supervision.start),
                duration=float(supervision.duration),
                speaker=speaker,
            )
            continue
        yield LeftOut(supervision.id, *problem, speaker)

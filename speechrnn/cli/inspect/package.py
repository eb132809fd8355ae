"""A model package as a table, and what it hears in a recording."""

from pathlib import Path

from speechrnn.cli.tables import cut, settings, table
from speechrnn.recognizer import Recognizer


def show_package(target: str, audio: str | None, folder: str | None) -> list[Path]:
    """Print a package's description and what it makes of a recording, and draw the latter. Returns the pictures.

    Raises:
        InputError: the package or the recording cannot be used.
    """
    recognizer = Recognizer(target)
    print(package_table(recognizer))
    if audio is None:
        return []
    package = recognizer.package
    waveform = recognizer.read(audio)
    log_probs = recognizer.acoustic.log_probs([waveform], [audio])[0]
    transcript = recognizer.decode(log_probs, len(waveform))
    facts = [
        ("recording", audio),
        ("seconds", f"{transcript.duration:.2f}"),
        ("frames", f"{len(log_probs)}, {(log_probs.argmax(axis=1) == 0).mean():.0%} of them blank"),
        ("transcript", transcript.text),
    ]
    print("\n" + table(facts))
    if not folder:
        return []
    from speechrnn.pictures import posteriors, save_picture

    figure = posteriors(
        waveform,
        package.sample_rate,
        log_probs,
        package.seconds_per_frame,
        package.tokenizer.tokens,
        transcript.text or "(nothing is said)",
    )
    return [save_picture(figure, Path(folder, "posteriors.png"), transcript.text)]


def package_table(recognizer: Recognizer) -> str:
    """A package's description as text."""
    package = recognizer.package
    files = [file for file in package.directory.rglob("*") if file.is_file()]
    training = dict(package.training)
    parameters = training.pop("parameters", None)
    facts = [
        ("name", package.name),
        ("size", f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB in {len(files)} files"),
        ("parameters", f"{parameters:,}" if isinstance(parameters, int) else "-"),
        ("tokens", f"{len(package.tokenizer)}: {cut(' '.join(package.tokenizer.tokens), 100)}"),
        ("sample rate", f"{package.sample_rate} Hz"),
        ("front end", settings(package.front_end)),
        ("subsampling", str(package.subsampling)),
        ("seconds per frame", f"{package.seconds_per_frame:g} ({1 / package.seconds_per_frame:g} frames a second)"),
        ("normaliser", package.normaliser),
        ("output case", package.output_case),
        ("decoder", settings(package.decoder)),
        ("language", package.language),
        ("training", settings(training)),
    ]
    return table(facts)

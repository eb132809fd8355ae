"""The whole page: summary, figures, tables, the worst utterances, all utterances."""

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from string import Template

from speechrnn.alignment.confidence import calibration_error
from speechrnn.scoring import breakdown
from speechrnn.scoring.report.exhibit import exhibit
from speechrnn.scoring.report.plots import calibration_plot, error_plot
from speechrnn.scoring.report.recordings import Recording, worst
from speechrnn.scoring.report.texts import NONE, aligned, anchor, number, table, text
from speechrnn.scoring.score import RESAMPLES, Score, UtteranceScore
from speechrnn.scoring.significance import Interval, bootstrap
from speechrnn.text import normaliser_label

LISTED_WORDS = 40  # rows of each word list; the rest is in the aligned texts
LISTED_UTTERANCES = 5000  # rows of the table of utterances: more of them make a browser slow, and the page large
SHARES = [("", ""), ("utterances", "n"), ("wrong", "n"), ("words", "n"), ("WER %", "n")]
COUNTS = [("ins", "n"), ("del", "n"), ("sub", "n")]

NO_CONFIDENCE = (
    "<p class=note>The details hold no confidences of words, so there is no plot of them: "
    "<code>speechrnn evaluate MODEL MANIFEST --details FILE</code> writes them."
)


def page(
    score: Score,
    title: str,
    facts: Mapping[str, str],
    shown: int = 30,
    recording: Callable[[UtteranceScore], Recording | None] = lambda utterance: None,
) -> bytes:
    """The page as UTF-8. It loads nothing: style, script, pictures and sounds are in it.

    Args:
        facts: what else is known of the evaluation, by name, such as the model.
        shown: how many of the worst utterances are shown in full.
        recording: gives the sound of one of them, if there is any; called once for each, in order.
    """
    style, script, skeleton = (
        files(__package__).joinpath(name).read_text("utf-8") for name in ("style.css", "script.js", "page.html")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    chosen = worst(score.utterances, shown)
    parts = {
        "title": text(title),
        "style": style,
        "script": script,
        "digest": digest,
        "summary": _summary(score),
        "facts": _facts(score, facts),
        "figures": _figures(score),
        "words": _words(score),
        "groups": _groups(score),
        "worst": _worst(score, chosen, recording),
        "utterances": _utterances(score, {utterance.id for utterance in chosen}),
    }
    return Template(skeleton).substitute(parts).encode("utf-8", "replace")


def _summary(score: Score) -> str:
    each = score.utterances
    words, characters = [utterance.words for utterance in each], [utterance.characters for utterance in each]
    wrong = [w.errors for w in words]
    rates = [
        ("WER", "words", wrong, [w.reference for w in words]),
        ("CER", "characters", [c.errors for c in characters], [c.reference for c in characters]),
        ("SER", "sentences", [int(errors > 0) for errors in wrong], [1] * len(each)),
        ("MER", "matches", wrong, [w.reference + w.insertions for w in words]),
    ]
    speakers = [utterance.speaker for utterance in each]
    rows = []
    for name, what, errors, reference in rates:
        total = sum(reference)
        cells = [
            f"{number(100 * sum(errors) / total if total else None)} %",
            _between(bootstrap(errors, reference, resamples=RESAMPLES)),
            _between(bootstrap(errors, reference, speakers, resamples=RESAMPLES) if all(speakers) else None),
            f"{sum(errors)} / {total}",
        ]
        rows.append(f"<tr><th scope=row><abbr title={what}>{name}</abbr>" + "".join(f"<td class=n>{c}" for c in cells))
    interval = score.intervals.get("utterances")
    return (
        f"<p class=figure><b>{number(score.words.rate)}</b><span>% word error rate"
        + (f"<br>95 %: {_between(interval)}" if interval else "")
        + f"</span></p><p class=kaldi><code>{text(score.words.line())}</code></p>"
        "<div class=box tabindex=0 role=region aria-label=summary><table><thead><tr><th scope=col>rate"
        "<th scope=col class=n>value<th scope=col class=n>95 %, by utterance<th scope=col class=n>95 %, by speaker"
        f"<th scope=col class=n>errors<tbody>{''.join(rows)}</table></div>"
    )


def _between(interval: Interval | None) -> str:
    return NONE if interval is None else f"{interval.low:.2f} to {interval.high:.2f}"


def _facts(score: Score, facts: Mapping[str, str]) -> str:
    each = score.utterances
    seconds = [utterance.duration for utterance in each if utterance.duration is not None]
    speakers = {utterance.speaker for utterance in each if utterance.speaker}
    known = {
        "utterances": f"{len(each)}" + (f", {len(score.missing)} without a hypothesis" if score.missing else ""),
        "hypotheses that do not score": str(len(score.extra)) if score.extra else "",
        "speakers": str(len(speakers)) if speakers else "",
        "audio": f"{sum(seconds) / 3600:.2f} h" if seconds else "",
        "normaliser": normaliser_label(score.normaliser),
        "alignment": score.alignment,
        **facts,
    }
    return "".join(f"<div><dt>{text(name)}<dd>{text(value)}</div>" for name, value in known.items() if value)


def _figures(score: Score) -> str:
    figures = []
    spoken = [utterance for utterance in score.utterances if utterance.words.rate is not None]
    timed = [(u.duration, u.words.rate) for u in spoken if u.duration is not None]
    if timed:
        durations, rates = zip(*timed, strict=True)
        plot = error_plot(durations, rates, breakdown.by_duration(score), "seconds")
        figures.append((plot, "Word error rate against duration. A dot is an utterance, a line the rate of a group."))
    sure = [(breakdown.confidence(u), u.words.rate) for u in spoken if u.recognised]
    if sure:
        confidences, rates = zip(*sure, strict=True)
        plot = error_plot(confidences, rates, breakdown.by_confidence(score), "mean confidence of the words")
        figures.append((plot, "Word error rate against confidence."))
    judged = breakdown.judged(score)
    if bins := judged.reliability():
        left_out = (
            f" {judged.left_out} words are left out: the normaliser joined or split them." if judged.left_out else ""
        )
        figures.append(
            (
                calibration_plot(bins),
                f"Calibration of {len(judged.right)} recognised words: on the dashed line, of the words with a confidence "
                f"of 0.9 nine in ten are right. Expected calibration error {calibration_error(bins):.3f}.{left_out}",
            )
        )
    drawn = "".join(f"<figure>{plot}<figcaption>{text(caption)}</figcaption></figure>" for plot, caption in figures)
    return f"<div class=figures>{drawn}</div>" + ("" if sure else NO_CONFIDENCE)


def _words(score: Score) -> str:
    errors = breakdown.word_errors(score)
    confused = [
        (f"{_find(f'{reference}›{found}')}{text(reference)} › {text(found)}</a>", str(n))
        for (reference, found), n in errors.confusions.most_common(LISTED_WORDS)
    ]
    missed = [
        (f"{_find(word)}{text(word)}</a>", str(n), str(errors.said[word]), number(100 * n / errors.said[word], 0))
        for word, n in errors.missed.most_common(LISTED_WORDS)
    ]
    lists = [
        ("Confused", table([("said › heard", ""), ("times", "n")], confused, "confused words")),
        ("Inserted", table([("word", ""), ("times", "n")], _listed(errors.inserted, "+"), "inserted words")),
        ("Deleted", table([("word", ""), ("times", "n")], _listed(errors.deleted, "−"), "deleted words")),
        (
            "Missed: deleted or confused",
            table([("word", ""), ("missed", "n"), ("said", "n"), ("%", "n")], missed, "missed words"),
        ),
    ]
    return "<div class=lists>" + "".join(f"<div><h3>{name}</h3>{contents}</div>" for name, contents in lists) + "</div>"


def _listed(counts: Counter[str], mark: str) -> list[tuple[str, str]]:
    return [(f"{_find(mark + word)}{text(word)}</a>", str(n)) for word, n in counts.most_common(LISTED_WORDS)]


def _find(what: str) -> str:
    """The beginning of a link to the utterances in which something stands."""
    return f'<a dir=auto href="#utterances" data-find="{text(what)}">'


def _groups(score: Score) -> str:
    tables = []
    for title, name, groups in (
        ("Speakers", "speaker", breakdown.by_speaker(score)),
        ("Words said", "words", breakdown.by_length(score)),
        ("Duration", "duration", breakdown.by_duration(score)),
        ("Confidence", "confidence", breakdown.by_confidence(score)),
    ):
        if groups:
            rows = [
                [text(group.name)]
                + [str(n) for n in (group.utterances, group.wrong, group.words.reference)]
                + [number(group.words.rate)]
                + [str(n) for n in (group.words.insertions, group.words.deletions, group.words.substitutions)]
                for group in groups
            ]
            tables.append(f"<h3>{title}</h3>" + table([(name, ""), *SHARES[1:], *COUNTS], rows, title.lower()))
    return "".join(tables)


def _worst(
    score: Score, chosen: Sequence[UtteranceScore], recording: Callable[[UtteranceScore], Recording | None]
) -> str:
    if not chosen:
        return "<p>No utterance holds an error."
    verdict = breakdown.judge(score.normaliser)
    return "".join(
        exhibit(rank, utterance, recording(utterance), verdict) for rank, utterance in enumerate(chosen, start=1)
    )


def _utterances(score: Score, chosen: set[str]) -> str:
    listed = score.utterances
    note = ""
    if len(listed) > LISTED_UTTERANCES:
        listed = sorted(listed, key=lambda utterance: -utterance.words.errors)[:LISTED_UTTERANCES]
        note = f"<p class=note>The {len(listed)} with the most errors of {len(score.utterances)}.</p>"
    speakers = sorted({utterance.speaker for utterance in listed if utterance.speaker})
    options = "".join(f'<option value="{text(speaker)}">{text(speaker)}' for speaker in speakers)
    filters = (
        '<form class=filters hidden><label>Find <input type=search name=find placeholder="words, id, said>heard"></label>'
        + (f'<label>Speaker <select name=speaker><option value="">all{options}</select></label>' if speakers else "")
        + "<label><input type=checkbox name=wrong> only with errors</label><output aria-live=polite></output></form>"
    )
    heads = [("utterance", ""), ("speaker", ""), ("s", "n"), ("words", "n"), ("errors", "n"), ("WER %", "n")]
    heads += [("confidence", "n"), ("text", "t")]
    rows = [
        [
            f'<a id="{text(anchor("utt", u.id))}" href="#{text(anchor("utt", u.id))}">{text(u.id)}</a>'
            + (f' <a class=to href="#{text(anchor("worst", u.id))}">look</a>' if u.id in chosen else ""),
            text(u.speaker),
            number(u.duration),
            str(u.words.reference),
            str(u.words.errors),
            number(u.words.rate),
            number(breakdown.confidence(u)),
            f"<p dir=auto>{aligned(u.alignment)}</p>" + ("<em>no hypothesis</em>" if u.hypothesis is None else ""),
        ]
        for u in listed
    ]
    return note + filters + table(heads, rows, "all utterances", "utterances")

"""The report: what is in the page, that nothing else is needed, and what it does in a browser."""

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from chromium import Chromium, binary
from conftest import RATE, tones

from speechrnn.manifest import Utterance
from speechrnn.recognizer import Recognizer
from speechrnn.scoring.report import page as report
from speechrnn.scoring.report import pictures, plots
from speechrnn.scoring.report.recordings import record, worst
from speechrnn.scoring.report.texts import aligned, direction
from speechrnn.scoring.score import score
from speechrnn.scoring.texts import Reference
from speechrnn.transcript import Word

HOSTILE = "</script><script>bad()</script> <img src=http://bad.example/x onerror=bad()> ' \" &lt; ]]> <!--"
ARABIC = "مرحبا بكم"
# id: what was said, by whom, and what was heard
TEXTS = {
    "hello": ("go for it", "ann", "go for it"),
    "two errors": ("good day now", "ann", "good way now yy"),
    "three": ("a b c d e f g", "bob", "x b y d z f g"),
    'od"d <id>/é%20': (HOSTILE, "bob", "go"),
    "empty": ("", "", "noise"),
    "missing": ("nothing came of it", "<b>", None),
    "arabic": (ARABIC, "", "مرحبا لكم"),
}


def scored(**changes):
    """The score of TEXTS, each utterance of the duration that its tones take."""
    references = {id: Reference(said, speaker, 0.2 * max(len(said), 1)) for id, (said, speaker, _) in TEXTS.items()}
    hypotheses = {id: heard for id, (_, _, heard) in TEXTS.items() if heard is not None}
    recognised = {
        id: tuple(Word(word, 0.3 * i, 0.3 * i + 0.2, 0.5 + 0.1 * (i % 5)) for i, word in enumerate(heard.split()))
        for id, heard in hypotheses.items()
    }
    return replace(score(references, hypotheses, "raw", recognised=recognised), **changes)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory, package_dir):
    """Makes the sound of an utterance that the tone model can hear, and looks at it with that."""
    folder = tmp_path_factory.mktemp("sound")
    recognizer = Recognizer(package_dir)

    def recording(utterance):
        if utterance.id not in ("two errors", "three"):
            return None
        path = folder / f"{utterance.id}.wav"
        soundfile.write(path, np.concatenate([tones(TEXTS[utterance.id][2])] * 3), RATE)
        return record(utterance, Utterance(utterance.id, str(path), utterance.reference), recognizer)

    return recording


@pytest.fixture(scope="module")
def contents(recordings):
    return report.page(scored(), f"A title {HOSTILE}", {"model": HOSTILE}, recording=recordings)


class Elements(HTMLParser):
    """The elements of a page as (tag, attributes), and its text outside of style and script."""

    def __init__(self, contents: bytes):
        super().__init__()
        self.elements, self.text, self.inside = [], "", ""
        self.feed(contents.decode())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("style", "script"):
            self.text += data


def test_the_page_holds_all_that_it_needs(contents):
    page = Elements(contents)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"link", "iframe", "object", "embed", "base", "source"}
    assert [attributes for tag, attributes in page.elements if tag == "script"] == [{}]
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(ids)) == len(ids)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        assert "url(" not in attributes.get("style", "")
        if "src" in attributes:
            assert attributes["src"].startswith(("data:audio/mpeg;", "data:image/png;"))
        if "href" in attributes:
            assert attributes["href"].startswith("#") and attributes["href"][1:] in ids
    style = re.search(r"<style>(.*?)</style>", contents.decode(), re.DOTALL)[1]
    assert "url(" not in style and "@import" not in style
    assert {"audio", "img", "svg", "details"} <= tags


def test_texts_are_shown_as_they_are(contents):
    """In the title, the facts, the tables, the alignments: as text, never as HTML."""
    text = Elements(contents).text
    assert text.count(HOSTILE) >= 3 and 'od"d <id>/é%20' in text
    assert "<b>" in text and ARABIC.split()[0] in text


def test_the_page_is_written_whatever_the_names_hold():
    """A file's name may have bytes that are no UTF-8: Python keeps them as lone surrogates."""
    references = {"a\udcff": Reference("x", "\udcfe"), "b\nc": Reference("\u2028 \x00")}
    assert report.page(score(references, {}, "raw"), "\udcfd", {}).decode().count("a?") >= 1


def test_rates_intervals_and_how_they_came_about_are_there(contents):
    text, total = Elements(contents).text, scored()
    assert total.words.line() in text
    for rate in (total.words.rate, total.characters.rate, total.words.match_error_rate):
        assert f"{rate:.2f} %" in text
    assert re.search(r"95 %: \d+\.\d\d to \d+\.\d\d", text)
    assert re.search(r"normaliser\s*raw", text) and re.search(r"alignment\s*kaldi", text)
    assert "7, 1 without a hypothesis" in text


def test_an_interval_by_speaker_needs_all_speakers_known():
    some = {str(i): Reference("a b", "ann" if i else "") for i in range(20)}
    every = {str(i): Reference("a b", f"s{i % 10}") for i in range(20)}
    heard = {str(i): "a" if i % 2 else "a b" for i in range(20)}
    for references, cells in ((some, 1), (every, 2)):
        total = score(references, heard, "raw")
        page = report.page(total, "t", {}).decode()
        row = re.search(r"WER</abbr>(.*?)(<tr>|<tbody>|</table>)", page, re.DOTALL)[1]
        assert row.count(" to ") == cells
        printed = re.findall(r"interval of WER over .*: (.*)", total.report())  # by `speechrnn score`, too
        assert len(printed) == cells and all(interval in row for interval in printed)


def test_without_confidences_the_page_says_how_to_get_them(contents):
    bare = scored(utterances=[replace(each, recognised=None) for each in scored().utterances])
    text = Elements(report.page(bare, "t", {})).text
    assert "--details FILE" in text and "Calibration" not in text
    words = sum(len(heard.split()) for _, _, heard in TEXTS.values() if heard)
    assert f"Calibration of {words} recognised words" in Elements(contents).text


def test_of_very_many_utterances_those_with_the_most_errors_are_listed(monkeypatch):
    monkeypatch.setattr(report, "LISTED_UTTERANCES", 3)
    page = report.page(scored(), "t", {}).decode()
    assert page.count(' id="utt-') == 3 and "The 3 with the most errors of 7." in page


def test_the_worst_have_the_most_errors_and_of_those_the_fewest_words():
    assert [each.id for each in worst(scored().utterances, 4)] == ['od"d <id>/é%20', "missing", "three", "two errors"]
    assert not worst(score({"a": Reference("x")}, {"a": "x"}, "raw").utterances, 30)
    assert (
        "No utterance holds an error." in report.page(score({"a": Reference("x")}, {"a": "x"}, "raw"), "t", {}).decode()
    )


def test_errors_are_marked_in_letters_too():
    pairs = [("a", "a"), ("b", "c"), ("d", None), (None, "e")]
    assert re.sub("<[^>]*>", "", aligned(pairs)) == "a b›c −d +e"
    assert direction([("12", "!"), (ARABIC, None)]) == "rtl" and direction([("12", "ab")]) == "ltr"


def test_the_sound_is_what_it_was_without_a_shift():
    """MP3 encoders put silence in front, which the file says and players take away: else words and sound would part."""
    waveform = np.random.default_rng(1).normal(0, 0.1, 2 * pictures.RATE).astype(np.float32)
    waveform = np.convolve(waveform, np.hanning(16) / 8, "same").astype(np.float32)
    coded = pictures.mp3(waveform)
    decoded, rate = soundfile.read(io.BytesIO(coded), dtype="float32")
    assert rate == pictures.RATE and len(decoded) == len(waveform)
    shifts = range(-2000, 2000, 40)
    fits = [float(np.roll(decoded, -shift)[4000:-4000] @ waveform[4000:-4000]) for shift in shifts]
    assert shifts[int(np.argmax(fits))] == 0
    assert len(coded) / 2 < 5500  # bytes a second: 30 utterances of 35 s are 8 MB in a page


def test_the_png_is_read_as_it_was_written():
    from PIL import Image

    for shape in ((3, 8), (5, 7), (1, 1)):
        shades = np.random.default_rng(2).integers(0, 16, shape).astype(np.uint8)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(pictures.grey_png(shades))).convert("L")), shades * 17)


@pytest.mark.parametrize("hertz", [300, 1000, 4000, 7000])
def test_a_tone_is_dark_at_its_height_while_it_lasts(hertz):
    from PIL import Image

    time = np.arange(pictures.RATE) / pictures.RATE
    tone = np.where((time > 0.3) & (time < 0.6), np.sin(2 * np.pi * hertz * time), 0).astype(np.float32)
    image = np.asarray(Image.open(io.BytesIO(pictures.spectrogram(tone))).convert("L"))
    assert image.shape == (pictures.MEL_BINS, 100)
    mel = np.log10(1 + hertz / 700) / np.log10(1 + pictures.RATE / 1400)
    assert abs((pictures.MEL_BINS - 1 - image[:, 45].argmin()) - (mel * (pictures.MEL_BINS + 1) - 1)) <= 1
    assert (image[:, :27] == 255).all() and (image[:, 63:] == 255).all()


def test_silence_and_a_single_sample_have_a_picture_and_a_sound():
    for waveform in (np.zeros(16000, np.float32), np.zeros(1, np.float32)):
        assert pictures.spectrogram(waveform).startswith(b"\x89PNG") and pictures.mp3(waveform)


@pytest.mark.parametrize("low, high", [(0, 1), (0, 35.1), (0.62, 0.97), (0, 100), (0, 0.003), (12, 13000)])
def test_ticks_are_few_round_and_inside(low, high):
    ticks = plots._ticks(low, high)
    steps = np.diff(ticks)
    assert 2 <= len(ticks) <= 8 and low <= ticks[0] and ticks[-1] <= high
    assert np.allclose(steps, steps[0]) and float(f"{steps[0]:.1e}") == pytest.approx(steps[0])


# In a browser


@pytest.fixture(scope="module")
def file(tmp_path_factory, contents):
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(contents)
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    browser = Chromium(binary(), str(tmp_path_factory.mktemp("profile")))
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium, file):
    """The page, freshly opened on a large screen; after each test nothing may have been reported or asked for."""
    show(chromium, 1280)
    chromium.open("about:blank")
    chromium.errors.clear()
    chromium.requests.clear()
    chromium.open(file.as_uri())
    yield chromium
    assert chromium.errors == []
    assert [each for each in chromium.requests if not each.startswith("data:")] == [file.as_uri()[:60]]


def show(browser, width, dark=False):
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.send("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.send("Emulation.setEmulatedMedia", {"features": [scheme]})


def column(browser, number):
    """The cells of a column of the utterances that are shown, from the top."""
    rows = "Array.from(document.querySelectorAll('.utterances tbody tr:not([hidden])'))"
    return browser.evaluate(
        f"{rows}.map(row => row.cells[{number}].querySelector('a')?.textContent ?? row.cells[{number}].textContent.trim())"
    )


def sort(browser, number):
    head = f"document.querySelectorAll('.utterances thead th')[{number}]"
    browser.evaluate(f"{head}.querySelector('button').click()")
    return browser.evaluate(f"{head}.getAttribute('aria-sort')")


def enter(browser, **values):
    """Fill in the filters as a user does."""
    for name, value in values.items():
        field = "checked" if isinstance(value, bool) else "value"
        shown = str(value).lower() if isinstance(value, bool) else repr(value)
        browser.evaluate(f"document.querySelector('.filters').{name}.{field} = {shown}")
    browser.evaluate("void document.querySelector('.filters').dispatchEvent(new Event('input'))")
    return column(browser, 0)


@pytest.mark.browser
def test_sorts_by_any_column_both_ways(browser):
    everything = column(browser, 0)
    assert everything == list(TEXTS)
    assert sort(browser, 4) == "descending"
    errors = [int(each) for each in column(browser, 4)]
    assert errors == sorted(errors, reverse=True) and len(set(errors)) > 3
    assert sort(browser, 4) == "ascending"
    assert [int(each) for each in column(browser, 4)] == sorted(errors)
    for _ in range(2):  # what is not known stays at the end
        sort(browser, 5)
        assert column(browser, 0)[-1] == "empty"
    assert sort(browser, 0) == "ascending"
    assert column(browser, 0) == sorted(everything)
    assert browser.evaluate("document.querySelectorAll('.utterances [aria-sort]').length") == 1


@pytest.mark.browser
def test_sorts_from_the_keyboard(browser):
    browser.evaluate("document.querySelectorAll('.utterances thead button')[3].focus()")
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", {"type": kind, "key": "Enter", "code": "Enter", "text": "\r"})
    words = [int(each) for each in column(browser, 3)]
    assert words == sorted(words, reverse=True) != sorted(words)


@pytest.mark.browser
def test_filters_by_text_speaker_and_errors(browser):
    assert enter(browser, find="Good") == ["two errors"]
    assert browser.evaluate("document.querySelector('output').value") == "1 of 7"
    assert enter(browser, find="day->way") == ["two errors"]
    assert enter(browser, find="+yy") == ["two errors"]
    assert enter(browser, find="-nothing") == ["missing"]
    assert enter(browser, find="", speaker="bob") == ["three", 'od"d <id>/é%20']
    assert enter(browser, speaker="", wrong=True) == [id for id in TEXTS if id != "hello"]
    assert enter(browser, wrong=True, speaker="ann") == ["two errors"]


@pytest.mark.browser
def test_a_confused_word_leads_to_where_it_was(browser):
    enter(browser, speaker="bob")
    browser.evaluate("document.querySelector('[data-find=\"day›way\"]').click()")
    assert column(browser, 0) == ["two errors"]


@pytest.mark.browser
def test_an_address_leads_to_an_utterance_even_when_it_was_filtered_out(browser, file):
    enter(browser, speaker="ann")
    link = "Array.from(document.querySelectorAll('.utterances a[id]')).find(each => each.textContent.startsWith('od'))"
    address = browser.evaluate(f"{link}.getAttribute('href')")
    browser.evaluate(f"void (location.hash = {address!r})")
    browser.wait("document.querySelectorAll('.utterances tbody tr:not([hidden])').length === 7")
    browser.wait(f"{link} === document.querySelector(':target')")
    closed = "document.querySelectorAll('.exhibit')[2]"
    assert browser.evaluate(f"{closed}.open") is False
    browser.evaluate(f"void (location.hash = {closed}.id)")
    browser.wait(f"{closed}.open")


@pytest.mark.browser
def test_plays_moves_the_head_and_begins_at_a_word(browser):
    browser.evaluate("void document.querySelectorAll('details').forEach(each => each.open = true)")
    first, second = "document.querySelectorAll('audio')[0]", "document.querySelectorAll('audio')[1]"
    browser.wait(f"{first}.readyState >= 2 && {second}.readyState >= 2")
    assert browser.evaluate(f"{first}.duration") == pytest.approx(3 * 0.2 * len(TEXTS["three"][2]), abs=0.05)
    word = (
        "document.querySelectorAll('audio')[0].closest('details').querySelectorAll('[data-name=heard] [data-start]')[1]"
    )
    start = float(browser.evaluate(f"{word}.dataset.start"))
    browser.evaluate(f"{word}.click()")
    browser.wait(f"{first}.currentTime > {start + 0.2}")
    left = browser.evaluate("parseFloat(document.querySelectorAll('.head')[0].style.left)")
    assert left >= start * 120 and browser.evaluate("document.querySelectorAll('.head')[0].hidden") is False
    browser.evaluate(f"{second}.play()")
    browser.wait(f"{second}.currentTime > 0.1 && {first}.paused")


@pytest.mark.browser
def test_words_and_letters_are_drawn_where_they_are(browser):
    """Letters stand over their tones, one every 0.2 s; of the words that were heard, the wrong ones are marked."""
    details = "document.querySelectorAll('audio')[0].closest('details')"
    texts = browser.evaluate(
        f"Array.from({details}.querySelectorAll('.peaks text'), each => [each.textContent, Number(each.getAttribute('x'))])"
    )
    letters = sorted((x, letter) for letter, x in texts if letter != "|")
    sounding = [(0.2 * i + 0.06, c) for i, c in enumerate((TEXTS["three"][2] * 3).upper()) if c != " "]
    assert [letter for _, letter in letters] == [letter for _, letter in sounding]
    assert np.allclose([x / 120 for x, _ in letters], [middle for middle, _ in sounding], atol=0.05)
    names = browser.evaluate(f"Array.from({details}.querySelectorAll('.track'), each => each.dataset.name)")
    assert names == ["said", "heard"]
    wrong = browser.evaluate(
        f"Array.from({details}.querySelectorAll('[data-name=heard] .wrong'), each => each.textContent)"
    )
    assert wrong == ["x", "y", "z"]


@pytest.mark.browser
def test_the_page_fits_a_phone_and_the_night(browser):
    browser.evaluate("void document.querySelectorAll('details').forEach(each => each.open = true)")
    for width in (320, 375, 1280):
        show(browser, width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
    colour = "getComputedStyle(document.body).backgroundColor"
    day = browser.evaluate(colour)
    show(browser, 1280, dark=True)
    assert (day, browser.evaluate(colour)) == ("rgb(255, 255, 255)", "rgb(20, 23, 26)")


@pytest.mark.browser
def test_what_reads_from_right_to_left_stands_so(browser):
    row = "document.querySelectorAll('.utterances tbody tr')[6]"
    assert browser.evaluate(f"getComputedStyle({row}.querySelector('p')).direction") == "rtl"
    assert browser.evaluate("getComputedStyle(document.querySelector('.utterances tbody p')).direction") == "ltr"


@pytest.mark.browser
def test_nothing_that_was_said_is_run(browser):
    """The page's own policy refuses scripts but the one it was written with: a second wall behind the escaping."""
    assert browser.evaluate("document.querySelectorAll('script').length") == 1
    browser.evaluate("void document.body.insertAdjacentHTML('beforeend', '<img src=data:, onerror=\"window.bad=1\">')")
    browser.evaluate(
        "void document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.bad=1'}))"
    )
    assert browser.evaluate("window.bad ?? null") is None
    assert len(browser.errors) >= 1 and all("Content Security Policy" in error for error in browser.errors)
    browser.errors.clear()


@pytest.mark.browser
def test_it_can_be_read_without_scripts(chromium, file):
    bare = file.with_name("bare.html")
    bare.write_text(re.sub("<script>.*</script>", "", file.read_text("utf-8"), flags=re.DOTALL), "utf-8")
    chromium.open(bare.as_uri())
    assert column(chromium, 0) == list(TEXTS)
    assert chromium.evaluate("getComputedStyle(document.querySelector('.filters')).display") == "none"

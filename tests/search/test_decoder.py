"""When a decoder searches, with which weights, and what it says of itself."""

import pytest
from ambiguous import blend, build_lm
from conftest import RATE

import speechrnn
from speechrnn.errors import InputError
from speechrnn.lm.ngram import NgramModel
from speechrnn.package import read_package, write_decoder
from speechrnn.search.language_model import read_language_model, write_packaged

WEIGHTS = {"method": "beam", "beam": 12, "lm_weight": 0.7, "word_bonus": 1.5, "unknown_penalty": 4.0}
SOUND = blend("good way now", "good day now")


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    return build_lm(tmp_path_factory.mktemp("lm"))


@pytest.fixture
def tuned(tmp_path, package_dir, lm):
    """A package with a language model, and weights; any word may come."""
    package = read_package(package_dir)
    model = read_language_model(lm, package)
    write_decoder(package, WEIGHTS, tmp_path / "tuned", lambda folder: write_packaged(model, package.tokenizer, folder))
    return tmp_path / "tuned"


def heard(package, sound=SOUND, **keywords):
    return speechrnn.load(package, 1, **keywords).transcribe(sound, RATE).text


def test_greedy_is_what_a_package_without_a_language_model_does(package_dir):
    recognizer = speechrnn.load(package_dir, 1)
    assert recognizer.decoder.description == "greedy"
    assert recognizer.transcribe(SOUND, RATE) == speechrnn.Transcript("good way now", len(SOUND) / RATE)


def test_a_language_model_decides_between_what_sounds_alike(package_dir, lm):
    assert heard(package_dir, lm=lm) == "good day now"
    assert heard(package_dir, beam=8) == heard(package_dir, lm=False) == heard(package_dir, lm=False, beam=8)
    assert heard(package_dir, lm=False) == "good way now"


def test_that_of_a_package_is_used_without_being_asked_for_and_can_be_left_out(tuned):
    assert heard(tuned) == "good day now"
    assert heard(tuned, lm=False) == "good way now"
    assert speechrnn.load(tuned, 1, lm=False).decoder.description == "greedy"
    description = speechrnn.load(tuned, 1).decoder.description
    assert description == (
        "beam 12, 3-grams of 3 words (ngram.lm, open vocabulary), lm weight 0.7, word bonus 1.5, unknown penalty 4"
    )
    assert speechrnn.load(tuned, 1, lm=False, beam=5).decoder.description == "beam 5"


def test_a_package_may_search_without_a_language_model(package_dir, tmp_path):
    write_decoder(read_package(package_dir), {"method": "beam", "beam": 7}, tmp_path / "beam")
    assert speechrnn.load(tmp_path / "beam", 1).decoder.description == "beam 7"
    assert speechrnn.load(tmp_path / "beam", 1, beam=9).decoder.description == "beam 9"
    assert speechrnn.load(tmp_path / "beam", 1, lm=False).decoder.description == "greedy"
    assert heard(tmp_path / "beam") == "good way now"


def test_a_closed_vocabulary_lets_no_other_word_come(tuned):
    assert heard(tuned, blend("good way now", "good day now", 0.99)) == "good way now"
    (tuned / "lm" / "lexicon.txt").write_text("GOOD\nDAY\nNOW\n")
    assert heard(tuned, blend("good way now", "good day now", 0.99)).split()[0] == "good"
    assert set(heard(tuned, blend("good way now", "good day now", 0.99)).split()) <= {"good", "day", "now"}


@pytest.mark.parametrize("hotwords", ["Day", ["day", "xylophone"], {"good day": 1.0}, ("DAY",)])
def test_hotwords(package_dir, hotwords):
    assert heard(package_dir, hotwords=hotwords) == "good day now"
    assert heard(package_dir, blend("good way now", "good day now", 0.99), hotwords=hotwords) == "good way now"


def test_the_weight_of_hotwords(package_dir):
    assert heard(package_dir, hotwords={"day": 0.05}) == "good way now"
    assert heard(package_dir, hotwords={"day": 3.0}) == "good day now"
    description = speechrnn.load(package_dir, 1, hotwords={"day": 0.5, "way": 2.0}).decoder.description
    assert description == "beam 64, 2 hotwords of weight 0.5 2"


def test_scores_of_hypotheses_are_the_sum_that_is_promised(tuned):
    recognizer = speechrnn.load(tuned, 1, nbest=4)
    transcript = recognizer.transcribe(SOUND, RATE)
    found = transcript.hypotheses
    assert 2 <= len(found) <= 4 and found[0].text == transcript.text == "good day now"
    assert len({each.text for each in found}) == len(found)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    ngram = NgramModel.read(tuned / "lm" / "ngram.lm")
    for each in found:
        words = each.text.upper().split()
        unknown = [word for word in words if word not in ngram.words]
        assert each.language == pytest.approx(ngram.score_sentence(words), abs=1e-4)
        worth = 0.7 * each.language + 1.5 * len(words) - 4 * len("".join(unknown))
        assert each.score == pytest.approx(each.acoustic + worth, abs=1e-4)


def test_what_cannot_be_used(package_dir, tuned, tmp_path):
    for keywords, message in (
        ({"beam": 0}, "beam: expected 1 or more, found 0"),
        ({"nbest": -1}, "nbest: expected 1 or more, found -1"),
        ({"threads": "2"}, "threads: expected a whole number, found '2'"),
        ({"beam": "8"}, "beam: expected a whole number, found '8'"),
        ({"nbest": True}, "nbest: expected a whole number, found True"),
        ({"hotwords": 5}, "hotwords: expected words, or a dict with their weights, found 5"),
        ({"hotwords": ["day", 5]}, "hotwords: expected words, found 5"),
        ({"hotwords": {"day": "1"}}, "hotword 'day': expected a positive weight, found '1'"),
        ({"lm": True}, "lm: expected a language model's file, False or None, found True"),
        ({"lm": 1}, "lm: expected a language model's file, False or None, found 1"),
        ({"hotwords": "мир"}, "hotword 'мир': characters outside the alphabet"),
        ({"hotwords": {"day": -1.0}}, "hotword 'day': expected a positive weight"),
        ({"lm": tmp_path / "none.lm"}, "none.lm: expected a language model: No such file"),
        ({"lm": ""}, "expected a language model: No such file"),
    ):
        with pytest.raises(InputError, match=message):
            speechrnn.load(package_dir, **{"threads": 1, **keywords})
    (tuned / "lm" / "lexicon.txt").write_text("GOOD\nDAY\nNOW\n")
    with pytest.raises(InputError, match="hotword 'SMITH': 'SMITH' is not in the lexicon: .*--no-lm"):
        speechrnn.load(tuned, 1, hotwords="Smith")
    assert heard(tuned, hotwords="Smith", lm=False) == "good way now"

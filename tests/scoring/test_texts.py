"""Files of references and hypotheses: each form as it is read, bad lines named, and what sclite makes of the same files."""

import json
import random

import nist
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechrnn.errors import InputError
from speechrnn.scoring.errors import ErrorCounts, count
from speechrnn.scoring.sclite import align_words_as_sclite
from speechrnn.scoring.texts import (
    FORMS,
    Reference,
    read_pair,
    to_kaldi_text,
    to_stm,
    to_trn,
)
from speechrnn.transcript import Transcript, Word
from speechrnn.writers import to_ctm


def read_references(path, form=None):
    return read_pair(path, path, form, form)[0]


def read_hypotheses(path, form=None):
    return read_pair(path, path, form, form)[1]


@pytest.fixture
def written(tmp_path):
    def write(name, contents):
        path = tmp_path / name
        path.write_bytes(contents if isinstance(contents, bytes) else contents.encode())
        return path

    return write


STM = """\
;; CATEGORY "0" "" ""
talk A ann 0.5 2.0 <o,f0> so  it begins
talk A bob 2 3.25 ignore_time_segment_in_scoring
talk A ann 3.25 4.5
talk B eve 0 1 well
"""


@pytest.mark.parametrize(
    "name, contents, expected",
    [
        ("text", "u1 so it\tbegins \nu2\n", {"u1": Reference("so it\tbegins"), "u2": Reference("")}),
        ("hyp.txt", "\ufeffu1 é\r\n\r\nu2 b\r\n", {"u1": Reference("é"), "u2": Reference("b")}),
        (
            "test.jsonl",
            '{"id": "u1", "text": "a", "speaker": "ann", "duration": 1.5}\n{"utt_id": 2, "reference": "b", "text": "c"}\n',
            {"u1": Reference("a", "ann", 1.5), "2": Reference("b")},
        ),
        (
            "ref.trn",
            ";; a comment\n\nso (uh) it begins (ann_x-01)\nb(bob_02)\n (003)\r\n",
            {
                "ann_x-01": Reference("so (uh) it begins", "ann_x"),
                "bob_02": Reference("b", "bob"),
                "003": Reference(""),
            },
        ),
        (
            "ref.stm",
            STM,
            {
                "talk-A-0.500-2.000": Reference("so it begins", "ann", 1.5),
                "talk-A-3.250-4.500": Reference("", "ann", 1.25),
                "talk-B-0.000-1.000": Reference("well", "eve", 1.0),
            },
        ),
        (
            "hyp.CTM",
            ";; out of order\ntalk A 2.0 0.5 it 0.9\ntalk A 0.5 0.5 so -3.2\nother 1 0 1 well\ntalk B 0 1 yes\n",
            {"talk-A": Reference("so it"), "other": Reference("well"), "talk-B": Reference("yes")},
        ),
    ],
)
def test_forms(written, name, contents, expected):
    path = written(name, contents)
    assert read_references(path) == expected
    if name != "test.jsonl":  # which has other texts for the two sides
        assert read_hypotheses(path) == {id: reference.text for id, reference in expected.items()}


def test_the_form_may_be_named(written):
    path = written("ref.txt", "a b (s-1)\n")
    assert read_references(path, "trn") == {"s-1": Reference("a b", "s")}
    assert read_references(path) == {"a": Reference("b (s-1)")}
    kaldi = written("words.trn", "u1 a b\n")
    assert read_pair(kaldi, path, "text", "trn") == ({"u1": Reference("a b")}, {"s-1": "a b"})


def test_details_are_references_and_hypotheses(written):
    rows = [
        {"id": "u1", "speaker": "ann", "duration": 2.0, "reference": "a b", "hypothesis": "a c", "normaliser": "raw"},
        {"id": "u2", "reference": "d", "hypothesis": None, "normaliser": "raw"},
    ]
    path = written("details.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert read_pair(path, path) == ({"u1": Reference("a b", "ann", 2.0), "u2": Reference("d")}, {"u1": "a c"})


def test_a_manifest_without_ids(written):
    path = written(
        "nemo.jsonl", '{"audio_filepath": "clips/one.wav", "text": "a b", "duration": 2, "speaker": "ann"}\n'
    )
    assert read_references(path) == {"one": Reference("a b", "ann", 2.0)}


@pytest.mark.parametrize(
    "name, contents, expected",
    [
        ("a.txt", "", "found no utterance"),
        ("a.trn", ";; nothing\n", "found no utterance"),
        ("a.txt", b"u1 a\nu2 \xff\n", "in UTF-8, found the byte 0xff on line 2"),
        ("a.txt", "u1 a\n\nu1 b\n", "line 3: the id 'u1' stands on more than one line"),
        ("a.jsonl", "u1 a\n", "line 1: expected a JSON object, found 'u1 a'"),
        (
            "a.jsonl",
            '{"id": "u1", "text": "a", "duration": "long"}\n',
            "line 1: expected 'duration' in seconds, found 'long'",
        ),
        (
            "a.jsonl",
            '{"id": "u1", "text": "a \\ud83d"}\n',
            "line 1: expected characters, found half of a surrogate pair",
        ),
        ("a.jsonl", '{"id": ' + "1" * 5000 + "}\n", "line 1: expected a JSON object"),
        ("a.jsonl", "[" * 100000 + "\n", "line 1: expected a JSON object"),
        ("a.trn", "a b (s-1)\na b s-2\n", "line 2: expected `word word ... (speaker-utterance)`, found 'a b s-2'"),
        ("a.trn", "a b ()\n", "line 1: expected `word word ... (speaker-utterance)`"),
        ("a.trn", "a (s-1)\nb (s-1)\n", "line 2: the id 's-1' stands on more than one line"),
        ("a.trn", "a { um / @ } (s-1)\n", "line 1: expected plain words, found '{'"),
        ("a.ctm", "talk A 0.5 0.1\n", "line 1: expected `file channel start duration word [confidence]`"),
        ("a.ctm", "talk A 0.5 -0.1 a\n", "found '-0.1' for a time"),
        ("a.ctm", "talk A * * <ALT_BEGIN>\n", "found '*' for a time"),
        ("a.ctm", "talk A 0 1 @\n", "line 1: expected plain words, found '@'"),
        ("a.stm", "talk A ann 0.5\n", "line 1: expected `file channel speaker start end"),
        ("a.stm", "talk A ann nan 1 a\n", "found 'nan' for a time"),
        ("a.stm", "talk A ann 2 1 a\n", "expected an end that is not before the start, found 2 and 1"),
        (
            "a.stm",
            "talk A ann 0 1 a\ntalk A bob 0 1 a\n",
            "line 2: the id 'talk-A-0.000-1.000' stands on more than one line",
        ),
        ("a.stm", "talk A ann 0 1 a;b\n", "line 1: expected plain words, found 'a;b'"),
        ("a.stm", "talk A ann 0 1 IGNORE_TIME_SEGMENT_IN_SCORING\n", "expected segments that score"),
        (".", None, "expected a manifest or a Kaldi text file"),
        ("none.trn", None, "expected a manifest or a Kaldi text file"),
    ],
)
def test_bad_files(written, tmp_path, name, contents, expected):
    path = tmp_path / name if contents is None else written(name, contents)
    with pytest.raises(InputError) as raised:
        read_references(path)
    assert expected in str(raised.value) and str(path) in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


words = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=4)
ids = st.text(st.sampled_from("abZ09_-.é語"), min_size=1, max_size=5)


@given(st.dictionaries(ids, st.lists(words, max_size=4).map(" ".join), min_size=1))
def test_kaldi_text_is_read_as_it_was_written(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("texts") / "text"
    path.write_text(to_kaldi_text(texts), encoding="utf-8")
    assert read_hypotheses(path, "text") == {id: " ".join(text.split()) for id, text in texts.items()}


@pytest.mark.parametrize(
    "id, speaker, name",
    [
        ("ann-1", "ann", "ann-1"),
        ("ann_1", "ann", "ann_1"),
        ("1", "ann", "ann-1"),
        ("annie-1", "ann", "ann-annie-1"),
        ("1", "Ann Lee", "Ann_Lee-1"),
        ("ann-1", "", "ann-1"),
        ("1", "", "unknown-1"),
        ("-1", "", "unknown--1"),
    ],
)
def test_the_speaker_stands_where_sclite_looks_for_it(written, id, speaker, name):
    path = written("ref.trn", to_trn({id: "a"}, {id: speaker}))
    assert path.read_text() == f"a ({name})\n"
    assert read_references(path) == {name: Reference("a", name.partition("-")[0] if "-" in name else "ann")}
    assert list(nist.alignments(nist.run("-i", "spu_id", "-r", path, "trn", "-h", path, "trn"))) == [name]


@pytest.mark.parametrize(
    "write", [to_kaldi_text, to_trn, lambda texts: to_stm({id: Reference("a", "s", 1) for id in texts})]
)
@pytest.mark.parametrize("id", ["", "a b", "a\u2028b", " a"])
def test_an_id_that_ends_early_is_refused(write, id):
    with pytest.raises(InputError, match="expected an id without white space"):
        write({id: "a"})


def test_what_a_form_cannot_hold_is_refused():
    with pytest.raises(InputError, match=r"utterance a\(1\): expected an id without parentheses"):
        to_trn({"a(1)": "a"})
    with pytest.raises(InputError, match="utterance u1: expected a duration, which stm needs, found none"):
        to_stm({"u1": Reference("a")})
    for word in ["{", "{a", "@", "a;b", ";a", "a;", "a*", "a\\", "**a"]:
        with pytest.raises(InputError, match="utterance u1: expected plain words, found"):
            to_trn({"u1": f"some {word} words"})


def totals(references, hypotheses):
    assert hypotheses.keys() <= references.keys()
    texts = [reference.text for reference in references.values()]
    alignments = align_words_as_sclite(texts, [hypotheses.get(id, "") for id in references])
    return sum(map(count, alignments), ErrorCounts())


# Words at the edge of what sclite takes for something else: all of these are words like any other
PLAIN = [
    "a",
    "b",
    "(a)",
    "(",
    ")",
    "<a>",
    "a-",
    "-",
    "/",
    "a/b",
    "a}",
    "*",
    "%hes",
    "é",
    '"',
    "a@b",
    "#",
    "&",
    "_",
    "x" * 90,
]


def test_sclite_scores_what_was_written(written):
    rng = random.Random(5)
    texts = [
        {f"{number // 9}-{number}": " ".join(rng.choices(PLAIN, k=rng.randrange(7))) for number in range(900)}
        for _ in range(2)
    ]
    speakers = {id: f"speaker {id[0]}" for id in texts[0]}
    files = [written(name, to_trn(side, speakers)) for name, side in zip(["ref.trn", "hyp.trn"], texts, strict=True)]
    references, hypotheses = read_pair(*files)
    assert [reference.text for reference in references.values()] == list(texts[0].values())
    assert list(hypotheses.values()) == list(texts[1].values())
    expected = nist.totals("-i", "spu_id", "-r", files[0], "trn", "-h", files[1], "trn")
    assert totals(references, hypotheses) == expected


def test_stm_and_our_ctm_in_sclite(written):
    rng = random.Random(6)
    references, rows = {}, []
    for number in range(300):
        id = f"u{number:03}"
        spoken = rng.choices(["<a>", "b", "c"], k=rng.randrange(6))
        found = tuple(Word(rng.choice("abc"), at, at + 0.5, 0.9) for at in range(1 + rng.randrange(5)))
        references[id] = Reference(" ".join(spoken), f"speaker {number % 4}", 9.0)
        rows.append(to_ctm(id, Transcript(" ".join(word.text for word in found), 9.0, found)))
    stm, ctm = written("ref.stm", to_stm(references)), written("hyp.ctm", "".join(rows))
    expected = nist.totals("-r", stm, "stm", "-h", ctm, "ctm")
    assert totals(*read_pair(stm, ctm)) == expected
    assert totals(references, read_hypotheses(ctm)) == expected  # each utterance is a file of its own


def test_words_go_to_the_segments_that_sclite_gives_them(written):
    """Gaps, overlaps, words on a border, ignored segments, words before, between and after all of them, two channels."""
    rng = random.Random(7)
    segments, recognised = [], []
    for file in range(20):
        for channel in "AB"[: 1 + file % 2]:
            begin = rng.randrange(300) / 100
            for _ in range(rng.choice([1, 2, 5, 60])):
                end = begin + rng.randrange(10, 500) / 100
                text = " ".join(rng.choices("abc", k=rng.randrange(6)))
                if rng.random() < 0.2:
                    text = "IGNORE_TIME_SEGMENT_IN_SCORING"
                segments.append(f"f{file:02} {channel} s{rng.randrange(3)} {begin:.2f} {end:.2f} {text}\n")
                begin = end + rng.choice([-0.05, 0, 0, 0.5])
            times = sorted(rng.randrange(int(end * 100) + 200) for _ in range(int(end * 2) + 2))
            recognised += [
                f"f{file:02} {channel} {at / 100:.2f} {rng.choice([0, 0.02, 0.1, 0.5]):.2f} {rng.choice('abc')} 0.5\n"
                for at in times
            ]
    stm, ctm = written("ref.stm", "".join(segments)), written("hyp.ctm", "".join(recognised))
    references, hypotheses = read_pair(stm, ctm)
    assert hypotheses.keys() == references.keys()
    assert totals(references, hypotheses) == nist.totals("-r", stm, "stm", "-h", ctm, "ctm")
    found = nist.alignments(nist.run("-r", stm, "stm", "-h", ctm, "ctm"))
    texts = [" ".join(theirs for _, theirs in pairs if theirs is not None) for pairs in found.values()]
    assert sorted(texts) == sorted(hypotheses.values())


def test_channels_that_are_missing_or_too_much(written):
    stm = written("ref.stm", "one A ann 0 1 a b\none A ann 1 2 c\ntwo 1 bob 0 1 d\n")
    ctm = written("hyp.ctm", "one A 0.2 0.1 a\nthree 1 0 1 e\n")
    references, hypotheses = read_pair(stm, ctm)
    assert list(references) == ["one-A-0.000-1.000", "one-A-1.000-2.000", "two-1-0.000-1.000"]
    assert hypotheses == {"one-A-0.000-1.000": "a", "one-A-1.000-2.000": "", "three": "e"}


def test_the_named_forms_are_all_forms(written):
    for form in FORMS:
        path = written(
            "a",
            {"trn": "a (s-1)", "ctm": "a A 0 1 b", "stm": "a A s 0 1 b", "jsonl": '{"id": 1, "text": ""}'}.get(
                form, "a"
            ),
        )
        assert len(read_references(path, form)) == 1

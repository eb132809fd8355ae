"""N-gram models: scores by the definition of the ARPA format, states, the binary form and its errors."""

import numpy as np
import pytest
from arpa_models import LETTERS, Definition, random_arpa

from speechrnn.errors import InputError
from speechrnn.lm.arpa import read_arpa
from speechrnn.lm.ngram import LEVELS, NgramModel, _quantise
from speechrnn.lm.ngram_hash import HashTable, build_stretch, key_of

ORDERS = (1, 2, 3, 4, 5)


def histories(seed: int, number: int = 200, length: int = 7) -> np.ndarray:
    """(number, length) random words, among them one that no model knows."""
    return np.random.default_rng(seed).choice([*LETTERS, "unheard"], (number, length))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("start", ["start", "empty"])
def test_scores_are_what_the_arpa_format_defines(tmp_path, order, start):
    path = random_arpa(tmp_path / "model.arpa", order, seed=order)
    definition, model = Definition(path), NgramModel.read(path)
    texts = histories(order)
    states = np.full(len(texts), getattr(model, start))
    for position in range(texts.shape[1]):
        scores, states = model.score(states, model.indices(texts[:, position]))
        assert scores.dtype == np.float32 and states.dtype == np.int64
        for text, score in zip(texts, scores, strict=True):
            known = [word if word in LETTERS else "<unk>" for word in text[: position + 1]]
            history = ["<s>"] * (start == "start") + known[:-1]
            assert score == pytest.approx(definition.score(history, known[-1]), abs=1e-4)


@pytest.mark.parametrize("order", ORDERS)
def test_the_binary_form_scores_the_same(tmp_path, order):
    model = NgramModel.read(random_arpa(tmp_path / "model.arpa", order, seed=order))
    model.write(tmp_path / "model.lm")
    opened = NgramModel.read(tmp_path / "model.lm")
    assert (opened.order, list(opened.words), opened.counts) == (model.order, list(model.words), model.counts)
    assert (opened.start, opened.empty) == (model.start, model.empty)
    for text in histories(0, 20).tolist():
        assert opened.score_sentence(text) == model.score_sentence(text)


def test_a_sentence_is_the_sum_of_its_words_and_its_end(tmp_path):
    path = random_arpa(tmp_path / "model.arpa", 3, seed=1)
    definition, model = Definition(path), NgramModel.read(path)
    text = ["a", "b", "é", "a"]
    expected = sum(definition.score(["<s>", *text[:n]], word) for n, word in enumerate([*text, "</s>"]))
    assert model.score_sentence(text) == pytest.approx(expected, abs=1e-4)


def test_histories_with_the_same_state_have_the_same_future(tmp_path):
    """And the state forgets what no longer matters: there are far fewer than histories."""
    model = NgramModel.read(random_arpa(tmp_path / "model.arpa", 4, seed=2, density=0.2))
    texts = histories(3, 2000, 4)
    states = np.full(len(texts), model.start)
    for column in texts.T:
        _, states = model.score(states, model.indices(column))
    different = len({tuple(text[-3:]) for text in texts.tolist()})
    assert len(np.unique(states)) < different / 2
    future, full = {}, Definition(tmp_path / "model.arpa")
    for text, state in zip(texts[:300].tolist(), states, strict=False):
        known = ["<s>", *(word if word in LETTERS else "<unk>" for word in text)]
        scores = tuple(round(full.score(known, word), 3) for word in LETTERS)
        assert future.setdefault(int(state), scores) == scores


def test_a_row_of_scores_does_not_depend_on_its_company(tmp_path):
    model = NgramModel.read(random_arpa(tmp_path / "model.arpa", 3, seed=3))
    words = model.indices(histories(4, 100, 1)[:, 0])
    states = np.full(100, model.start)
    together = model.score(states, words)
    alone = [model.score(states[:1], words[n : n + 1]) for n in range(100)]
    assert np.array_equal(together[0], [scores[0] for scores, _ in alone])
    assert np.array_equal(together[1], [state[0] for _, state in alone])
    assert len(model.score(states[:0], words[:0])[0]) == 0


def test_unknown_words_are_unknown_and_known_ones_have_their_index(tmp_path):
    model = NgramModel.read(random_arpa(tmp_path / "model.arpa", 2, seed=4))
    assert list(model.words[:3]) == ["<unk>", "<s>", "</s>"]
    assert [model.index(word) for word in model.words] == list(range(len(model.words)))
    assert model.index("unheard") == 0
    assert model.indices(["é", "unheard"]).tolist() == [model.index("é"), 0]


def test_quantised_values_are_near(tmp_path):
    """Values uniform over 3 ln 10: 256 levels are 0.014 wide away from the ends."""
    path = random_arpa(tmp_path / "model.arpa", 3, seed=5, density=0.9)
    NgramModel.from_tables(read_arpa(path), quantise=True).write(tmp_path / "q.lm")
    model, quantised = NgramModel.read(path), NgramModel.read(tmp_path / "q.lm")
    assert quantised.quantised
    for text in histories(6, 50).tolist():
        assert quantised.score_sentence(text) == pytest.approx(model.score_sentence(text), abs=0.05 * len(text))


@pytest.mark.parametrize("number", [0, 1, 5, 300, 5000])
def test_quantising_keeps_few_values_as_they_are_and_many_within_a_level(number):
    values = np.random.default_rng(number).normal(size=number).astype(np.float32)
    codes, book = _quantise(values)
    assert codes.dtype == np.uint8 and len(book) == LEVELS
    error = np.abs(book[codes] - values)
    assert error.max(initial=0) <= (1e-6 if number < LEVELS else 0.1)
    assert np.abs(error).mean() < 0.01 if number else True


@pytest.mark.parametrize("bits", [20, 33, 40])
def test_the_hash_table_finds_what_is_in_it_and_nothing_else(bits):
    """Two stretches with keys of many bits, full rows among them: spilled n-grams are found, too."""
    rng, word_bits = np.random.default_rng(bits), 10
    stretches, cells, spilled, places, grams, first = [], [], [], [], [], 0
    for number, size in enumerate((1000, 20_000)):
        keys = rng.choice(1 << min(bits, 22), size, replace=False).astype(np.int64) << max(bits - 22, 0)
        keys |= rng.integers(0, 1 << max(bits - 22, 1), size) if bits > 22 else 0
        contexts, words = keys >> word_bits, keys % (1 << word_bits) % ((1 << word_bits) - 1)
        pairs = np.unique(np.stack([contexts, words]), axis=1)
        stretch, table, rest, where = build_stretch(key_of(*pairs, word_bits), bits, first, number)
        stretches.append(stretch)
        cells.append(table)
        spilled.append(rest)
        places.append(where)
        grams.append(pairs)
        first = stretch.end
    table = HashTable(stretches, np.concatenate(cells), np.concatenate(spilled), word_bits)
    assert stretches[1].spilled > 0
    assert len(np.unique(np.concatenate(places))) == sum(map(len, places))  # a cell each
    for number, (pairs, where) in enumerate(zip(grams, places, strict=True)):
        contexts = np.zeros((2, pairs.shape[1]), np.int64)
        contexts[number] = pairs[0]
        assert np.array_equal(table.find(contexts, pairs[1])[number], where + 1)
        others = rng.integers(0, 1 << (bits - word_bits), 20_000), rng.integers(0, (1 << word_bits) - 1, 20_000)
        inside = {tuple(pair) for pair in pairs.T.tolist()}
        expected = np.array([pair in inside for pair in zip(*(o.tolist() for o in others), strict=True)])
        contexts = np.zeros((2, 20_000), np.int64)
        contexts[number] = others[0]
        assert np.array_equal(table.find(contexts, others[1])[number] > 0, expected)


def damaged(path, change) -> str:
    """The error of reading a binary model whose bytes are changed."""
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputError) as error:
        NgramModel.read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
    return str(error.value)


def test_damaged_files_are_named(tmp_path):
    model = NgramModel.read(random_arpa(tmp_path / "model.arpa", 3, seed=7))
    path = tmp_path / "model.lm"
    model.write(path)
    assert "truncated" in damaged(path, lambda data: data[:-100])
    model.write(path)
    assert "damaged" in damaged(path, lambda data: data[:60])
    model.write(path)
    assert "upgrade" in damaged(path, lambda data: data.replace(b'"format": 1', b'"format": 2'))
    model.write(path)
    assert "damaged" in damaged(path, lambda data: data.replace(b'"word_bits"', b'"word_bats"'))


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        NgramModel.read(tmp_path / "none.lm")
    with pytest.raises(InputError, match="directory"):
        NgramModel.read(tmp_path)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(InputError, match="ARPA"):
        NgramModel.read(tmp_path / "empty")

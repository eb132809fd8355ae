"""Contractions and abbreviated titles spelled out, fillers left out."""

from speechrnn.normalisers.numerals import is_cardinal

_FILLERS = "hmm mm mhm mmm uh um"
_COLLOQUIAL = {
    "wanna": "want to",
    "kinda": "kind of",
    "sorta": "sort of",
    "dunno": "do not know",
    "gotta": "got to",
    "gonna": "going to",
    "imma": "i am going to",
    "woulda": "would have",
    "coulda": "could have",
    "shoulda": "should have",
    "cause": "because",
}
_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "st": "saint",
    "dr": "doctor",
    "prof": "professor",
    "capt": "captain",
    "gov": "governor",
    "ald": "alderman",
    "gen": "general",
    "sen": "senator",
    "rep": "representative",
    "pres": "president",
    "rev": "reverend",
    "hon": "honorable",
    "asst": "assistant",
    "assoc": "associate",
    "lt": "lieutenant",
    "col": "colonel",
    "jr": "junior",
    "sr": "senior",
    "esq": "esquire",
}
_EXPANSIONS = {
    word: full.split() for word, full in (_COLLOQUIAL | _TITLES | dict.fromkeys(_FILLERS.split(), "")).items()
}
_IRREGULAR = {
    "won't": "will not",
    "can't": "can not",
    "shan't": "shall not",
    "ain't": "aint",  # am, is, are or have not
    "let's": "let us",
    "y'all": "you all",
    "i'ma": "i am going to",
    "ma'am": "madam",
}
_SUFFIXES = {"re": "are", "s": "is", "d": "would", "ll": "will", "ve": "have", "m": "am"}
_PERFECT = {  # what makes 's and 'd forms of have
    "s": {"been": "has", "gone": "has", "got": "has"},
    "d": {"been": "had", "gone": "had", "done": "had"},
}


def expand(words: list[str]) -> list[str]:
    """Lower case words without punctuation but apostrophes, with contractions, titles and fillers resolved, no apostrophe left.

    's is always "is" or "has", a possessive too: which it is cannot be told from a word, and both texts are treated alike.
    """
    expanded: list[str] = []
    for index, word in enumerate(words):
        if "'" in word:
            following = words[index + 1].strip("'") if index + 1 < len(words) else ""
            _expand_apostrophes(word, following, expanded)
        else:
            _append(word, expanded)
    return expanded


def _append(word: str, expanded: list[str]) -> None:
    if word not in _EXPANSIONS or (word == "mm" and expanded and is_cardinal(expanded[-1])):  # 5 mm are millimetres
        expanded.append(word)
    else:
        expanded += _EXPANSIONS[word]


def _expand_apostrophes(word: str, following: str, expanded: list[str]) -> None:
    """don't've -> do not have. `following` is the next word of the text, which decides between "is" and "has"."""
    parts = word.split("'")
    index = 0
    while index < len(parts):
        part, after = parts[index], parts[index + 1] if index + 1 < len(parts) else None
        if f"{part}'{after}" in _IRREGULAR:
            expanded += _IRREGULAR[f"{part}'{after}"].split()
            index += 1
        elif index and part == "t":  # 't was
            expanded.append("not")
        elif index and part in _SUFFIXES:
            last = not any(parts[index + 1 :])
            expanded.append(_PERFECT.get(part, {}).get(following if last else "", _SUFFIXES[part]))
        elif after == "t" and part.endswith("n"):
            expanded += [part[:-1], "not"] if part != "n" else ["not"]
            index += 1
        elif part:
            _append(part, expanded)
        index += 1

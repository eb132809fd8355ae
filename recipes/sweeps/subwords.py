"""Write a lexicon whose "phones" are subword units: each word's pieces by byte pair encoding, learnt from training transcripts.

  pip install sentencepiece
  cd data/mini_librispeech && python ../../recipes/sweeps/subwords.py train.jsonl lexicon.txt 200 subwords.txt

Its words are those of the lexicon; the units are as many as given and lie within words. `data.lexicon` takes it as it is.
"""

import argparse
import io
import sys

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from speechrnn.errors import InputError
from speechrnn.files import write_atomically
from speechrnn.manifest import read_manifest
from speechrnn.text import lexicon_lines, read_pronunciations, upper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", help="manifest whose texts the units are learnt from")
    parser.add_argument("lexicon", help="whose words are divided")
    parser.add_argument("units", type=int, help="how many, the letters among them")
    parser.add_argument("out", help="the lexicon to write")
    args = parser.parse_args()
    try:
        words = read_pronunciations(args.lexicon)
        texts = [upper(utterance.text) for utterance in read_manifest(args.train)]
    except InputError as error:
        sys.exit(f"subwords.py: {error}")
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(word for text in texts for word in text.split()),
        model_writer=model,
        model_type="bpe",
        vocab_size=args.units + 1,  # and the unknown piece
        character_coverage=1.0,
        normalization_rule_name="identity",
        add_dummy_prefix=False,  # the space is a token of its own
        bos_id=-1,
        eos_id=-1,
        minloglevel=1,
    )
    pieces = SentencePieceProcessor(model_proto=model.getvalue())
    known = {}
    for word in words:
        if pieces.unk_id() not in (ids := pieces.encode(word)):
            known[word] = [" ".join(map(pieces.id_to_piece, ids))]
    write_atomically(args.out, lexicon_lines(known))
    print(f"{args.out}: {len(known):,} words in {args.units} units; {len(words) - len(known)} left out")


if __name__ == "__main__":
    main()

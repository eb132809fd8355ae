#!/usr/bin/env bash
# mini-LibriSpeech from the recordings to a model package and RESULTS.md: lexicon, language model, training, weights, evaluation.
#   recipes/mini_librispeech/run.sh                  one seed: three hours on 2 cores
#   SEEDS="1 2" recipes/mini_librispeech/run.sh      one after the other
#   recipes/mini_librispeech/run.sh optimiser.epochs=10    with other settings than conf/mini_librispeech.yaml's
#   LIBRISPEECH=/corpora/LibriSpeech BOOKS=books.txt.xz DICTIONARY=cmudict.dict recipes/mini_librispeech/run.sh
# LIBRISPEECH has the folders train-clean-5 and dev-clean (recipes/librispeech/download.py fetches them), BOOKS a sentence a line for the
# language model, DICTIONARY is CMU's. By default they are in data/corpora/LibriSpeech and data/lm.
set -euo pipefail
for name in LIBRISPEECH BOOKS DICTIONARY; do
    [ -z "${!name:-}" ] || printf -v $name %s "$(realpath -m "${!name}")"
done
cd "$(dirname "$0")/../.."

corpus=${LIBRISPEECH:-data/corpora/LibriSpeech}
lm=data/lm
books=${BOOKS:-$lm/books.txt.xz}
dictionary=${DICTIONARY:-$lm/cmudict.dict.xz}
for file in "$corpus/train-clean-5" "$corpus/dev-clean" "$books" "$dictionary"; do
    [ -e "$file" ] || { echo "run.sh: $file: found no such file or folder; see the head of this script" >&2; exit 1; }
done

data=data/mini_librispeech
mkdir -p $data/corpus
ln -sfn "$(realpath "$corpus/train-clean-5")" $data/corpus/train-clean-5
ln -sfn "$(realpath "$corpus/dev-clean")" $data/corpus/dev-clean
python -m speechrnn prepare librispeech $data/corpus $data --dev-speakers recipes/mini_librispeech/dev_speakers.txt
[ $data/books.lm -nt "$books" ] || python -m speechrnn lm build "$books" -o $data/books.lm --normaliser upper
[ $data/lexicon.txt -nt $data/books.lm ] ||
    python -m speechrnn lexicon "$dictionary" $data/train_all.jsonl $data/books.lm -o $data/lexicon.txt ||
    [ -s $data/lexicon.txt ] # what it leaves out it names

for seed in ${SEEDS:-1}; do
    run=runs/mini_librispeech/seed$seed
    python -m speechrnn train conf/mini_librispeech.yaml seed="$seed" run=$run "$@"
    rm -rf $run/package # of an earlier call
    python -m speechrnn export $run $run/package --card recipes/mini_librispeech/CARD.md
    python -m speechrnn tune $run/package $data/dev.jsonl --lm $data/books.lm # weights, too, from the held-out speakers
    for how in "3-grams of books" "no language model"; do
        options=()
        [ "$how" != "no language model" ] || options=(--no-lm --beam 64)
        python -m speechrnn evaluate $run/package $data/dev-clean.jsonl --details "$run/dev-clean, $how.jsonl" \
            --system "4x256 BiGRU, phones, $how" --record recipes/mini_librispeech/results.jsonl "${options[@]}"
    done
done

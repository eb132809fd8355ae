#!/usr/bin/env bash
# AN4 from the recordings to a model package and RESULTS.md: prepare, train, export, evaluate.
#   recipes/an4/run.sh                  one seed: an hour on 2 cores, half of it for the weights of the language model
#   SEEDS="1 2 3 4 5" recipes/an4/run.sh    all those of RESULTS.md, one after the other
#   recipes/an4/run.sh optimiser.epochs=10    with other settings than conf/an4.yaml's
# The corpus is expected in data/corpora/an4: its folders etc/ and wav/.
set -euo pipefail
cd "$(dirname "$0")/../.."

corpus=data/corpora/an4
if [ ! -d $corpus ]; then
    echo "run.sh: AN4 is not in $corpus: put its folders etc/ and wav/ there" >&2
    exit 1
fi

python -m speechrnn prepare an4 $corpus data/an4 --dev-speakers recipes/an4/dev_speakers.txt
python recipes/an4/nonspeech.py data/an4/nonspeech 60

# The weights of the language model are chosen on the dev speakers, with a model that has not heard them.
dev=runs/an4/dev
if [ ! -d $dev/tuned ]; then
    python -m speechrnn train conf/an4.yaml run=$dev "$@"
    python -m speechrnn export $dev $dev/package
    python -m speechrnn lm build data/an4/train.jsonl -o $dev/train.lm --normaliser upper
    python -m speechrnn tune $dev/package data/an4/dev.jsonl --lm $dev/train.lm --closed -o $dev/tuned
fi
python -m speechrnn lm build data/an4/train_all.jsonl -o data/an4/train_all.lm --normaliser upper

for seed in ${SEEDS:-1}; do
    run=runs/an4/seed$seed
    # Settings were chosen on the dev speakers; the final model trains on them too, for as many epochs, and the last is taken.
    python -m speechrnn train conf/an4.yaml seed="$seed" run=$run \
        data.train='[data/an4/train_all.jsonl,data/an4/nonspeech.jsonl]' data.dev=null "$@"
    python -m speechrnn export $run $run/package --card recipes/an4/CARD.md
    python -m speechrnn evaluate $run/package data/an4/test.jsonl --details $run/test.jsonl \
        --system "3x256 BiGRU, greedy, no LM" --record recipes/an4/results.jsonl
    rm -rf $run/tuned # of an earlier call
    python -m speechrnn tune $run/package --like $dev/tuned --lm data/an4/train_all.lm --closed -o $run/tuned
    python -m speechrnn evaluate $run/tuned data/an4/test.jsonl --details $run/test-lm.jsonl \
        --system "3x256 BiGRU, the 99 words of training, 3-grams of its texts" --record recipes/an4/results.jsonl
done

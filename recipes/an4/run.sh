#!/usr/bin/env bash
# AN4 from the recordings to a model package and RESULTS.md: prepare, train, export, evaluate.
#   recipes/an4/run.sh                  one seed: half an hour on 2 cores
#   SEEDS="1 2 3" recipes/an4/run.sh    all those of RESULTS.md, one after the other
#   recipes/an4/run.sh optimiser.epochs=10    with other settings than conf/an4.yaml's
# The corpus is looked for in data/corpora/an4 (folders etc/ and wav/), or unpacked from ../shared/corpora.
set -euo pipefail
cd "$(dirname "$0")/../.."

corpus=data/corpora/an4
if [ ! -d $corpus ]; then
    if [ ! -f ../shared/corpora/unpack.py ]; then
        echo "run.sh: AN4 is not in $corpus: put its folders etc/ and wav/ there" >&2
        exit 1
    fi
    python ../shared/corpora/unpack.py data/corpora an4
fi

python -m speechrnn prepare an4 $corpus data/an4 --dev-speakers recipes/an4/dev_speakers.txt
python recipes/an4/nonspeech.py data/an4/nonspeech 60

for seed in ${SEEDS:-1}; do
    run=runs/an4/seed$seed
    # Settings were chosen on the dev speakers; the final model trains on them too, for as many epochs, and the last is taken.
    python -m speechrnn train conf/an4.yaml seed="$seed" run=$run \
        data.train='[data/an4/train_all.jsonl,data/an4/nonspeech.jsonl]' data.dev=null "$@"
    python -m speechrnn export $run $run/package --card recipes/an4/CARD.md
    python -m speechrnn evaluate $run/package data/an4/test.jsonl --details $run/test.jsonl \
        --system "3x256 BiGRU, greedy, no LM" --record recipes/an4/results.jsonl
done

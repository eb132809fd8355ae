#!/usr/bin/env bash
# LibriSpeech from the publisher's archives to a model package and RESULTS.md: download, prepare, train, export, evaluate.
#   recipes/librispeech/run.sh                  trains on train-clean-100
#   TRAIN="train-clean-100 train-clean-360 train-other-500" recipes/librispeech/run.sh    on all 960 hours
#   LIBRISPEECH=/corpora/LibriSpeech recipes/librispeech/run.sh    takes a copy, and downloads nothing
#   MIRROR=eu recipes/librispeech/run.sh        asks another server first: openslr, us, eu or cn
#   LM=3-gram.arpa.gz recipes/librispeech/run.sh    evaluates with a language model, too: ARPA (.arpa, .arpa.gz), one of
#                                               `speechrnn lm build` (.lm), or a text to build one of (anything else)
#   SEEDS="1 2 3" recipes/librispeech/run.sh    one after the other
#   recipes/librispeech/run.sh data.max_seconds=200    with other settings than conf/librispeech.yaml's
# Without LIBRISPEECH, what is missing in data/corpora/LibriSpeech is downloaded into it.
set -euo pipefail

fail() {
    echo "run.sh: $*" >&2
    exit 1
}

read -ra train <<< "${TRAIN:-train-clean-100}"
subsets=("${train[@]}" dev-clean test-clean test-other)
[ -z "${LM:-}" ] || LM=$(realpath "$LM")
[ -z "${LIBRISPEECH:-}" ] || LIBRISPEECH=$(realpath "$LIBRISPEECH")
cd "$(dirname "$0")/../.."

# What is missing is said now, not after days of training
[ -z "${LM:-}" ] || [ -f "$LM" ] || fail "LM=$LM: expected a language model or a text, found no such file"
corpus=${LIBRISPEECH:-data/corpora/LibriSpeech}
if [ -z "${LIBRISPEECH:-}" ]; then
    python recipes/librispeech/download.py data/corpora "${subsets[@]}" --mirror "${MIRROR:-openslr}"
fi
for subset in "${subsets[@]}"; do
    [ -d "$corpus/$subset" ] || [ -d "$corpus/LibriSpeech/$subset" ] ||
        fail "$corpus: expected the subset $subset in it, found none (TRAIN names those to train on)"
done
python -m speechrnn prepare librispeech "$corpus" data/librispeech

lm=
case ${LM:-} in
    '') ;;
    *.lm) lm=$LM ;;
    *)
        lm=runs/librispeech/lm/$(basename "$LM").lm
        if [ ! "$lm" -nt "$LM" ]; then
            case $LM in
                *.arpa | *.arpa.gz) python -m speechrnn lm convert "$LM" -o "$lm" ;;
                *) python -m speechrnn lm build "$LM" -o "$lm" --normaliser upper ;;
            esac
        fi
        ;;
esac

manifests=$(printf ',data/librispeech/%s.jsonl' "${train[@]}")
name=$(IFS=+ && echo "${train[*]}")
system="$name${*:+, $*}"
case $name in *train-other-500*) epochs=20 ;; *) epochs=60 ;; esac # of less speech, more often

for seed in ${SEEDS:-1}; do
    run=runs/librispeech/$name/seed$seed
    python -m speechrnn train conf/librispeech.yaml seed="$seed" run="$run" "data.train=[${manifests:1}]" \
        optimiser.epochs=$epochs "$@"
    rm -rf "$run/package" # of an earlier call: export does not replace one that has a language model
    python -m speechrnn export "$run" "$run/package" --card recipes/librispeech/CARD.md
    for test in test-clean test-other; do
        python -m speechrnn evaluate "$run/package" data/librispeech/$test.jsonl --details "$run/$test.jsonl" \
            --system "$system, greedy, no LM" --record recipes/librispeech/results.jsonl
    done
    [ -n "$lm" ] || continue
    # The epoch and the language model's weights are chosen on dev-clean; the package keeps the language model
    python -m speechrnn tune "$run/package" data/librispeech/dev-clean.jsonl --lm "$lm"
    for test in test-clean test-other; do
        python -m speechrnn evaluate "$run/package" data/librispeech/$test.jsonl --details "$run/$test-lm.jsonl" \
            --system "$system, LM $(basename "$LM")" --record recipes/librispeech/results.jsonl
    done
done

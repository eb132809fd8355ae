#!/usr/bin/env bash
# The bundled English model, from the corpora to a package and its figures.
#   recipes/english/run.sh [optimiser.epochs=10 ...]
# data/corpora holds, as their publishers lay them out, LibriSpeech/train-clean-5, LibriSpeech/dev-clean, LibriSpeech/train-clean-100 (what
# is there of it), an4 and speechocean762; data/lm holds books.txt.xz, a sentence a line, words-214k.txt.xz, words and their counts, and CMU's
# cmudict.dict.xz. The other recordings and modern text are fetched from public repositories, see more_speech.py and text_sources.py.
# espeak-ng must be installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

corpora=data/corpora
lm=data/lm
data=data/english
mkdir -p $data
speechrnn() { python -m speechrnn "$@"; }

books=$corpora/LibriSpeech
speechrnn prepare librispeech $books/train-clean-5 $data/books --dev-speakers recipes/mini_librispeech/dev_speakers.txt
speechrnn prepare librispeech $books/train-clean-100 $data/three
speechrnn prepare librispeech $books/dev-clean $data/test

learners=$corpora/speechocean762
awk 'BEGIN { OFS = "\t"; print "audio", "text", "speaker" }
    FILENAME ~ /utt2spk$/ { speaker[$1] = $2; next }
    FILENAME ~ /text$/ { id = $1; sub(/^[^ \t]+[ \t]+/, ""); text[id] = $0; next }
    { print $2, text[$1], speaker[$1] }' $learners/train/{utt2spk,text,wav.scp} > $learners/train.tsv
speechrnn prepare folder $learners/train.tsv $data/learners --normaliser upper --dev-speakers recipes/english/test_learners.txt

speechrnn prepare an4 $corpora/an4 $data/an4 --dev-speakers recipes/an4/dev_speakers.txt
sed -E 's/\bA\b/A./g' $data/an4/train.jsonl > $data/an4/spelled.jsonl # there it is the letter: A. in the dictionary

# sh18en-validated is not trained on: the Common Voice clips to test on
for set in librilight-gautam librispeech-jenny hys89-cv-valid-dev korliu-validated lj-prerna vctk-avgay vctk-s194584 sh18en-validated; do
    [ -s $corpora/more/$set/text.tsv ] || python recipes/english/more_speech.py $set $corpora/more
    speechrnn prepare folder $corpora/more/$set/text.tsv $data/$set --normaliser words
done

python recipes/english/synthesise.py "$lm/books.txt.xz" $data/synthetic 420
python recipes/an4/nonspeech.py $data/nonspeech 120
[ -s $data/words/all.jsonl ] || python recipes/english/single_words.py $data/an4/spelled.jsonl $data/three/train-clean-100.jsonl \
    $data/learners/train.jsonl $data/korliu-validated/all.jsonl -o $data/words --each 30

tests=($data/test/dev-clean.jsonl $data/sh18en-validated/all.jsonl) # the language model may not know their sentences
[ -s $data/modern.txt.xz ] || python recipes/english/modern_text.py $corpora/more/repositories "$lm/cmudict.dict.xz" \
    -o $data/modern.txt.xz --held-out $data/modern-held-out.txt --leave-out "${tests[@]}"

if [ ! $data/lexicon.txt -nt $data/english.lm ]; then
    spoken=($data/learners/train.jsonl $data/an4/train.jsonl) # small, so that they count: ten times
    ten=("${spoken[@]}" "${spoken[@]}" "${spoken[@]}" "${spoken[@]}" "${spoken[@]}")
    python recipes/english/word_list.py "$lm/books.txt.xz" $data/modern.txt.xz "$lm/words-214k.txt.xz" "$lm/cmudict.dict.xz" \
        -o $data/words.txt --all-of "${spoken[@]}"
    speechrnn lm build "$lm/books.txt.xz" $data/modern.txt.xz "${ten[@]}" "${ten[@]}" -o $data/english.lm --normaliser upper \
        --vocabulary $data/words.txt --entropy 8e-8 --quantise
    speechrnn lexicon "$lm/cmudict.dict.xz" $data/*/train*.jsonl $data/*/all.jsonl $data/*/dev.jsonl $data/an4/spelled.jsonl \
        $data/synthetic.jsonl $data/english.lm -o $data/lexicon.txt || [ -s $data/lexicon.txt ] # what it leaves out it names
fi

run=runs/english/model
speechrnn train conf/english.yaml "$@"
rm -rf $run/package # of an earlier call
speechrnn export $run $run/package --card recipes/english/CARD.md
speechrnn tune $run/package $data/books/dev.jsonl --lm $data/english.lm
for test in test/dev-clean learners/dev sh18en-validated/all an4/test; do
    speechrnn evaluate $run/package $data/$test.jsonl --details "$run/${test%/*}.jsonl" \
        --system "english, phones, 3-grams of books and modern text" --record recipes/english/results.jsonl
done

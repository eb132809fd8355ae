#!/usr/bin/env bash
# The example recordings, spoken by espeak-ng: sentences, and letters, digits and a command, which the bundled model `an4` knows.
# sox adds the moment of silence with which recordings begin and end.
set -euo pipefail
cd "$(dirname "$0")"
speak() { # FILE VOICE WORDS_A_MINUTE TEXT
    espeak-ng -v "$2" -s "$3" -g 3 --stdout "$4" | sox -t wav - -r 16000 "$1" pad 0.4 0.4
}
mkdir -p english
speak english/sunset.wav en-us 150 "the sun had gone down behind the hills and the road was dark"
speak english/letter.wav en-gb+f3 150 "she read the letter twice and said nothing for a long time"
speak english/question.wav en-us+f2 155 "where did you find the old book"
speak letters.wav en-us 150 "S. M. I. T. H."
speak digits.wav en-us+f2 165 "four one two five seven six"
speak command.wav en-us 165 "enter six eight"

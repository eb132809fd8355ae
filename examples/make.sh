#!/usr/bin/env bash
# The example recordings, spoken by espeak-ng: letters, digits and commands, which the bundled model `an4` knows.
set -euo pipefail
cd "$(dirname "$0")"
speak() { espeak-ng -v "$2" -s "$3" -g "$4" -w "$1" "$5"; }
speak letters.wav en-us 120 6 "S. M. I. T. H."
speak digits.wav en-us 120 4 "four one two five seven six"
speak command.wav en-us 120 4 "enter six eight"

"""Language models: n-grams counted, smoothed, pruned, written as ARPA and read by memory map. Needs numpy only."""

"""Log-probabilities to texts: greedy, or by a prefix beam search for words, and the weights of that. Needs numpy only."""

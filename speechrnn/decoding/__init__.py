"""Decoding: log-probabilities to text. Needs numpy only."""

"""Scoring: how far hypotheses are from references. Torch-free."""

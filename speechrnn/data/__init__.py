"""Corpora, batches and audio for training. Needs the extra `speechrnn[train]`."""

"""The training of a model: the loop and what it needs. Needs the extra `speechrnn[train]`."""

"""Training and export. Needs the extra `speechrnn[train]`."""

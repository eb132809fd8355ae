"""The network and its loss, in torch. Needs the extra `speechrnn[train]`."""

"""The folder of a training run: its settings, checkpoints, logs and curves."""

"""Texts and frames: when each word is said, how sure the model is of it, and where nobody speaks. Needs numpy only."""

"""How words are pronounced: dictionaries, and guesses at the words that they lack. Needs numpy only."""

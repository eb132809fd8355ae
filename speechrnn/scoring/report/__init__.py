"""The report of a score: one HTML page that needs nothing else, neither files nor a network."""

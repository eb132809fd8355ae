"""Many recordings to transcripts: read, batched by length, over the cores, given in order."""

"""speechrnn: speech recognition with deep bidirectional GRUs and CTC.

>>> import speechrnn
>>> speechrnn.load("an4").transcribe("examples/letters.wav").text  # doctest: +SKIP
"""

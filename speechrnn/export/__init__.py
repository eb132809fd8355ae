"""A trained model as files for others: the ONNX graph, model packages, what sherpa-onnx runs; and the way back."""

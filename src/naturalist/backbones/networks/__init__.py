"""The networks themselves: from arrays of weights to ONNX."""

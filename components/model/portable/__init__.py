"""The model as an ONNX graph: made from a fitted pipeline, checked, and asked."""

"""The model server, and the writer of the prediction log."""

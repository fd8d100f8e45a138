"""Sources, windows of rows, and the reader of the prediction log."""

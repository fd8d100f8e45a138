"""Sources, windows of rows, the schema, and the reader of the prediction log."""

"""The vocabulary that every domain package shares: windows, verdicts, errors, storage."""

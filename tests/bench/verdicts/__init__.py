"""How often the checks are wrong, and what they cost; `python -m tests.bench.verdicts --help`."""

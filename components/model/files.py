"""The names of the files in a candidate's folder."""

MODEL = "model.skops"
SPEC = "spec.json"
SCHEMA = "schema.json"
PROFILE = "profile.json"
VARIATION = "variation.json"
SAMPLE = "sample.parquet"
TRAINING = "training.json"

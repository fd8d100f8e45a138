"""The container image that every step runs in: one name, one default.

`driftline compile --image` puts another one into the compiled pipelines.
"""

IMAGE = "driftline:0.1.0"

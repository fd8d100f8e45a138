"""Wiring: pipelines assembled from the components, compiled, run and driven from a command line."""

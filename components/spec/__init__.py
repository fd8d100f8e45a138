"""The spec: the YAML file that describes one model."""

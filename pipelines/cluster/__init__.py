"""Kubeflow Pipelines on a cluster: connect, upload, submit, follow."""

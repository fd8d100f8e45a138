"""Kubeflow Pipelines' API server of 2.17.0, as its REST handlers are, without Kubernetes below it.

What it answers was read in backend/src/apiserver of kubeflow/pipelines at the tag 2.17.0.
"""

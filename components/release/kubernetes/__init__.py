"""Releases on Kubernetes: a Deployment or an InferenceService, its rollout and its history."""

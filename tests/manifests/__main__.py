"""Writes the golden files anew: python -m tests.manifests."""

import sys

from tests.manifests.goldens import FOLDER, kubectl, renew

if kubectl() is None:
    sys.exit(
        "kubectl is needed, for 'kubectl kustomize'; see https://kubernetes.io/docs/tasks/tools/"
    )
renew()
sys.stdout.write(f"written to {FOLDER}\n")

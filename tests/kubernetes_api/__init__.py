"""A small Kubernetes API server for tests: real HTTP, real client, a clock that tests turn.

What it does was compared with a real kube-apiserver and kube-controller-manager, see
`tests/cluster`: server-side apply with its owners and conflicts, resource versions, Deployments
with their ReplicaSets and revisions. Pods do as a test says, and nothing else.
"""

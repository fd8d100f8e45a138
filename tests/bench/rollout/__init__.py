"""The long proof of rollouts: every answer checked while releases come, go, fail and crash."""

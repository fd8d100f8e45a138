"""What runs in the peers' environments; nothing here is imported by driftline."""

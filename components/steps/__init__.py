"""What each step does: open its inputs, call the domain, keep a record in the store."""

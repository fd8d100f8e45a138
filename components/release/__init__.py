"""The release package, the store of releases, and the targets that serve them."""

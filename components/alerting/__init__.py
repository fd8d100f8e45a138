"""Messages to people: what is said, to whom, and once."""

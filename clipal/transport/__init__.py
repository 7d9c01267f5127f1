"""TCP as a proxy wants it: what is written goes out at once."""

"""What the operator sees: logs and status."""

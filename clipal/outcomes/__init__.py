"""What a provider's answer means: pure functions of its status, fields and body."""

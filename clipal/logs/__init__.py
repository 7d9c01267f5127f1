"""Log lines: where they go, what they may show, and desktop notifications."""

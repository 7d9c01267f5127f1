"""Makes the picture of docs/monitoring.md from a real run: clipal, providers that fail on time, clients, scrapes."""

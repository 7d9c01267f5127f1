"""`/status` as JSON and `/metrics` for Prometheus: what is in them, and where they are served."""

"""What clipal shows of itself: `/status` as JSON, `/metrics` for Prometheus, and where they are served."""

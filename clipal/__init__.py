"""clipal: a reverse proxy for LLM command-line agents that fails over between API providers."""

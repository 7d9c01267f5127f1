"""Measures clipal against nginx and a bare TCP forwarder; docs/performance.md explains the figures."""

"""Measures clipal against nginx and a bare TCP forwarder; see README.md for how to read the figures."""

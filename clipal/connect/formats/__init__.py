"""Formats of settings files, edited in place: every byte that is not the edit stays."""

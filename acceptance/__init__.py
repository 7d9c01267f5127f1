"""The real clients, driven headless through a real clipal: `make acceptance`, and docs/acceptance.md."""

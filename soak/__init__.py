"""Mixed load for minutes, checked from both sides: `make soak`."""

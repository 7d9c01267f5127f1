"""The clients' own configuration files: what clipal writes into them, and how it takes that out again."""

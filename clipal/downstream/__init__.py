"""The side towards the client: admission, the Resource tree, refusals, the relay of bodies."""

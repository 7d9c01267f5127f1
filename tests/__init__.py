"""clipal's tests: one file for each behaviour of the outside, one for each pure module."""

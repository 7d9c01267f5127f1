"""Makes small changes to clipal and looks whether a test fails: `make mutate`."""

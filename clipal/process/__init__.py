"""What clipal needs of its process: the clock, signals, descriptors, garbage collection."""

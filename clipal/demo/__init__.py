"""What `clipal demo` shows: two built-in upstreams, and a client that meets failover."""

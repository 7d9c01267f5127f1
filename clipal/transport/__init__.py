"""Connections over TCP, TLS, UNIX sockets and forward proxies; what is written is sent at once."""

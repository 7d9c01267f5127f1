"""What the tests use on both ends of the wire: a scripted raw upstream, a raw client, programs, certificates.

Nothing in here imports clipal and nothing uses an HTTP library: what clipal sends and receives is judged by
bytes.
"""

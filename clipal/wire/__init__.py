"""HTTP/1.1 itself, sans-IO: llhttp plus the rules and limits that it leaves to us; used by both sides."""

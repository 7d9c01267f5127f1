"""What is handed out: the sdist, the wheel and the one-file program, the same bytes each time they are built."""

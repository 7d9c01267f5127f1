"""What each client's API looks like on the wire; one file for each client."""

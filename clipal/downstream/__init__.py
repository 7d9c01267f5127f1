"""The side towards the client: the door, the Resource tree, our own answers, the body relay."""

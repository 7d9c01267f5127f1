"""Which provider may be asked: each provider with its health, a client's route, and the order of selection."""

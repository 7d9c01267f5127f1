"""The side towards the provider: treq's client without its conveniences, an agent and its connections."""

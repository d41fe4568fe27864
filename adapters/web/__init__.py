"""Web frameworks: thin adapters, from a request's facts to its response's headers."""

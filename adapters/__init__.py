"""The world: stores, keys, the facade that applications hold, the command line."""

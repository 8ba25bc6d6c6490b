"""A cluster under load: primaries die, slots move; what is lost, and how long nothing goes on. See `run`."""

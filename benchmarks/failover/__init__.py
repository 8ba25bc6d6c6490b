"""Failovers under load: what is lost, and how long nothing goes on. See `run`."""

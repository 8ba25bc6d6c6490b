"""Kills workers and daemons while batches and chains go through three queues: `make flow-chaos`."""

"""The commands about queues and their schedules."""

"""The commands about jobs: one, those that are named, those of a selector."""

"""A small application with background jobs: the one `make demo` runs."""

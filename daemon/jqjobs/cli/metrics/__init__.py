"""The command that tells figures to Prometheus."""

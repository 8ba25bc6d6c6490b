"""A small shop whose jobs go well, fail, wait and take their time: for the dashboard, see `demo_web`."""

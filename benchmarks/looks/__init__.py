"""What a look at the dashboard costs a Redis that is full of jobs; see `run`."""

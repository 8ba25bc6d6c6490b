"""The app of the benchmark: one job that does nothing."""

from jqjobs import App

app = App()


@app.job(queue="bench")
def noop() -> None:
    """Do nothing."""

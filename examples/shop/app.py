"""The job queue of the shop: `jqd --app shop.app:app` serves it, `shop.jobs` says what it can do."""

from jqjobs import App

# Modules with jobs are named, not imported: shop.jobs itself imports this one.
app = App(imports=["shop.jobs"])

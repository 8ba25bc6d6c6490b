"""The commands that show the whole: once, again and again, as it happens."""

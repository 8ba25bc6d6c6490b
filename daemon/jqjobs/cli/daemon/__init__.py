"""The commands about daemons, and how many workers there should be."""

"""One small app for each queue that is measured; each runs in an environment of its own, where its library is."""

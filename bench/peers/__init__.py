"""Other packages at the same work; each runs in the peers' environment, in its own process."""

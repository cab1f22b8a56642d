"""The process that touches outside systems: one source at a time, one call at a time, killed when it takes too long."""

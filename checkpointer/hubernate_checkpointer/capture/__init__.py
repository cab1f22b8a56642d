"""Reading what a container changed: the engine, the overlay's upper directory, and the index of what was saved."""

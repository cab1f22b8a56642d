"""Jobs on one Docker machine: the engine, what is sent into a container, its log, what is kept of it."""

"""Programs that are sent into a job's container and run there; none of them is imported here."""

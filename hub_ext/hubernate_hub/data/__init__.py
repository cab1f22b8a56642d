"""Reading tenants' sources: credentials at rest, calls, worker processes. Only `worker` touches outside systems."""

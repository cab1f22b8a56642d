"""Use cases: what a start, an operation, a checkpoint means. Inside one transaction, without HTTP or SQL."""

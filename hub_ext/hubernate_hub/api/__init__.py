"""HTTP: who asks, what they may, one shape of error."""

"""The SDK: what people import in notebooks, and the `hubernate` command."""

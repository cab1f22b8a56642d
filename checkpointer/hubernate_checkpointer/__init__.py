"""The node agent: captures a container's change, writes it as an image, pushes and verifies it."""

"""The whole platform on one machine: set-up, images, processes, diagnosis."""

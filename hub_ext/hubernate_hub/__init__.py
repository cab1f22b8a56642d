"""The platform service: operations, checkpoints, culling and pages, as a JupyterHub service."""

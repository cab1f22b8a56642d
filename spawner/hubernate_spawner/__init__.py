"""JupyterHub spawners that resume a saved environment and open an operation to stop."""

"""What a notebook's container is on every engine: its home, its user, where it finds the CA bundle, shared memory."""

HOME = "/home/jovyan"
NOTEBOOK_UID = 1000
"""uid and gid of everything a person runs."""
CA_BUNDLE = "/etc/hubernate/ca-bundle.crt"
"""Where a notebook finds the platform's CA bundle, read-only."""
_SHM_MAX = 1024**3


def shared_memory(memory: int) -> int:
    """Bytes of /dev/shm for a memory limit of `memory` bytes, of which they are a part.

    PyTorch and Arrow need far more than the 64 MiB that engines give.
    """
    return min(_SHM_MAX, memory // 2)

"""Whether a file with a secret is read by nobody else. Pure: what is known of the file and of this process comes in."""

import os
import stat
from collections.abc import Collection


def is_private(held: os.stat_result, uid: int, groups: Collection[int]) -> bool:
    """Whether only this process, and root, may read the file.

    Kubernetes gives a Secret to a pod as root's files that a group of the pod's own may read (``fsGroup``).

    Args:
        held: of the file, links followed.
        uid: this process's effective user.
        groups: every group it is in.
    """
    open_to = stat.S_IMODE(held.st_mode) & 0o077
    lent = open_to == stat.S_IRGRP and held.st_uid == 0 and uid != 0 and held.st_gid in groups
    return not open_to or lent

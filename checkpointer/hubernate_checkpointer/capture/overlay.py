"""What containerd's overlayfs snapshotter says of a container's files, and whether it can be believed. Mostly pure.

Sources: containerd, plugins/snapshots/overlay (mounts); OCI image-spec, config.md (ChainID); proc(5), mountinfo.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from hubernate_core.errors import Broken, Unavailable, shorten

_REFUSED = ("userxattr", "metacopy=on", "redirect_dir=on")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def chain_id(diff_ids: Sequence[str]) -> str:
    """The name under which a stack of layers is kept: a digest over all of them, in order."""
    chain = diff_ids[0]
    for each in diff_ids[1:]:
        chain = f"sha256:{hashlib.sha256(f'{chain} {each}'.encode()).hexdigest()}"
    return chain


def directories(kind: str, options: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The upper directory and those below it, topmost first, of the mount of a container's root.

    Args:
        kind: type of the mount, such as ``overlay``.
        options: its options.

    Raises:
        Broken: it is no overlay whose upper directory holds the change as it is.
    """
    if kind != "overlay":
        raise Broken(
            f"containerd mounts this container's root as {kind!r}, not as an overlay (an image of no layers?); "
            "it cannot be saved as it is"
        )
    for option in options:
        if option in _REFUSED:
            raise Broken(
                f"containerd mounts this container's root with {option}, whose changes cannot be read back; "
                "turn it off on this node and start the server anew"
            )
        if option.startswith(("uidmap=", "gidmap=")):
            raise Broken(_USER_NAMESPACE)
    named = dict(option.split("=", 1) for option in options if "=" in option)
    if not named.get("upperdir") or not named.get("lowerdir"):
        raise Broken("containerd names no overlay directories for this container; it cannot be saved as it is")
    return named["upperdir"], tuple(named["lowerdir"].split(":"))


_USER_NAMESPACE = (
    "this container has a user namespace of its own, so its files belong to other ids on this node than inside; it "
    "cannot be saved as it is. Start the server with hostUsers: true"
)


def refuse_user_namespace(spec: dict[str, object]) -> None:
    """Raise Broken when the container's OCI spec maps user ids."""
    linux = spec.get("linux")
    if isinstance(linux, dict) and linux.get("uidMappings"):
        raise Broken(_USER_NAMESPACE)


def prove(processes: Path, pid: int, upper: str, here: Path) -> None:
    """See in the kernel's own table that the running container writes to `upper`, and that `here` is that directory.

    This shows for every path at once what a file written into the container would show for one, and touches nothing.

    Args:
        processes: where the node's processes are seen.
        pid: the container's first process.
        upper: path of the upper directory, as the node names it.
        here: the same, as this process sees it.

    Raises:
        Broken: it is not so.
        Unavailable: the process is not to be seen: it just ended, or the agent lacks a right.
    """
    try:
        lines = (processes / str(pid) / "mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError as problem:
        raise Unavailable(
            f"cannot see the mounts of the server's process {pid} ({problem.strerror}). Should it run: the agent needs "
            "hostPID: true and the capability SYS_PTRACE"
        ) from problem
    if _upper_of_root(lines) != upper:
        raise Broken(
            f"the server's root is not the overlay that containerd names ({shorten(upper, 120)}), so what was written "
            "would not be saved; it was left as it is"
        )
    try:
        theirs = Path(f"{processes}/1/root{upper}").stat()
    except OSError:
        return  # the node's own view is hidden from us; that ours is wrong too would show as an empty folder
    if (theirs.st_dev, theirs.st_ino) != _identity(here):
        raise Broken(
            f"the agent sees another directory at {here} than the node; mount the node's storage into its pod with "
            "mountPropagation: HostToContainer"
        )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _upper_of_root(lines: Sequence[str]) -> str:
    """The upper directory of what is mounted at ``/``; empty when that is no overlay."""
    found = ""
    for line in lines:
        left, _, right = line.partition(" - ")
        if left.split(" ")[4] != "/":
            continue
        kind, _, options = [*right.split(" ", 2), "", ""][:3]
        named = dict(option.split("=", 1) for option in options.split(",") if "=" in option)
        found = named.get("upperdir", "") if kind == "overlay" else ""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), found)

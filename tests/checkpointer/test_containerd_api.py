"""The pure parts of speaking with containerd: generated messages, overlay options, cgroups, the hold's folder."""

import hashlib
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from grpc_tools import protoc

from hubernate_checkpointer.capture import cgroup, containerd_api, overlay
from hubernate_checkpointer.capture.cgroup import find_cgroup
from hubernate_checkpointer.capture.hold import release_hold
from hubernate_checkpointer.capture.pods import is_uid
from hubernate_core.errors import Broken, Unavailable

_API = Path(containerd_api.__file__).parent
_UID = "0a1b2c3d-0000-4000-8000-00000000000a"


@pytest.mark.parametrize("path", sorted(_API.glob("*.proto")), ids=lambda path: path.stem)
def test_generated_messages_are_as_the_proto_files_say(path: Path, tmp_path: Path) -> None:
    """Run tools/protos when this fails."""
    module = importlib.import_module(f"hubernate_checkpointer.capture.containerd_api.{path.stem}_pb2")
    out = tmp_path / "set"
    root = _API.parents[2]
    include = Path(protoc.__file__).parent / "_proto"
    assert protoc.main(["protoc", f"-I{root}", f"-I{include}", f"--descriptor_set_out={out}", str(path)]) == 0
    (expected,) = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file
    found = descriptor_pb2.FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(found)
    expected.ClearField("source_code_info")
    for each in (*expected.message_type, *found.message_type):
        for field in each.field:
            field.ClearField("json_name")
        for nested in each.nested_type:
            for field in nested.field:
                field.ClearField("json_name")
    assert found == expected


def test_the_name_of_a_stack_of_layers() -> None:
    """The example of the specification: ChainID(A|B) = SHA256(ChainID(A) + " " + DiffID(B))."""
    one, two, three = (f"sha256:{letter * 64}" for letter in "abc")
    assert overlay.chain_id([one]) == one
    both = f"sha256:{hashlib.sha256(f'{one} {two}'.encode()).hexdigest()}"
    assert overlay.chain_id([one, two]) == both
    assert overlay.chain_id([one, two, three]) == f"sha256:{hashlib.sha256(f'{both} {three}'.encode()).hexdigest()}"


_OPTIONS = ["index=off", "workdir=/s/9/work", "upperdir=/s/9/fs", "lowerdir=/s/2/fs:/s/1/fs"]


def test_the_directories_of_a_mount() -> None:
    assert overlay.directories("overlay", _OPTIONS) == ("/s/9/fs", ("/s/2/fs", "/s/1/fs"))


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("bind", ["rw", "rbind"], "not as an overlay"),
        ("erofs", [], "not as an overlay"),
        ("overlay", [*_OPTIONS, "userxattr"], "userxattr"),
        ("overlay", [*_OPTIONS, "metacopy=on"], "metacopy"),
        ("overlay", [*_OPTIONS, "redirect_dir=on"], "redirect_dir"),
        ("overlay", [*_OPTIONS, "uidmap=0:100000:65536"], "hostUsers: true"),
        ("overlay", ["lowerdir=/s/1/fs"], "names no overlay directories"),
    ],
)
def test_what_cannot_be_read_back_is_refused(kind: str, options: list[str], reason: str) -> None:
    with pytest.raises(Broken, match=re.escape(reason)):
        overlay.directories(kind, options)


def test_a_user_namespace_is_refused() -> None:
    overlay.refuse_user_namespace({"linux": {}})
    with pytest.raises(Broken, match="hostUsers"):
        overlay.refuse_user_namespace({"linux": {"uidMappings": [{"containerID": 0, "hostID": 65536, "size": 65536}]}})


def _process(folder: Path, pid: int, **files: str) -> None:
    (folder / str(pid)).mkdir(parents=True)
    for name, text in files.items():
        (folder / str(pid) / name).write_text(text)


_ROOT = "901 800 0:55 / {at} rw,relatime shared:1 - overlay overlay rw,lowerdir=/s/1/fs,upperdir={upper},workdir=/w\n"


def test_the_kernel_proves_where_the_container_writes(tmp_path: Path) -> None:
    upper = tmp_path / "s p/fs"
    upper.mkdir(parents=True)
    processes = tmp_path / "proc"
    line = _ROOT.format(at="/", upper=str(upper).replace(" ", "\\040"))
    _process(processes, 7, mountinfo=f"902 901 0:5 / /dev rw - tmpfs tmpfs rw\n{line}")
    overlay.prove(processes, 7, str(upper), upper)
    (processes / "1").mkdir()
    (processes / "1/root").symlink_to("/")
    overlay.prove(processes, 7, str(upper), upper)
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(Broken, match="HostToContainer"):
        overlay.prove(processes, 7, str(upper), other)
    with pytest.raises(Broken, match="not the overlay"):
        overlay.prove(processes, 7, "/s/8/fs", upper)
    _process(processes, 8, mountinfo="901 800 8:1 / / rw - ext4 /dev/vda rw\n")
    with pytest.raises(Broken, match="not the overlay"):
        overlay.prove(processes, 8, str(upper), upper)
    with pytest.raises(Unavailable, match="hostPID"):
        overlay.prove(processes, 9, str(upper), upper)


_V1 = "5:pids:/other\n4:cpu,cpuacct:/pods/cri-{name}.scope\n3:freezer:/pods/cri-{name}.scope/sub\n0::/\n"


def _write_all(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_control_groups_of_version_1(tmp_path: Path) -> None:
    _process(tmp_path / "proc", 6, cgroup="3:freezer:/pods/another\n")
    _process(tmp_path / "proc", 7, cgroup=_V1.format(name="c0ffee"))
    own = tmp_path / "cgroup/freezer/pods/cri-c0ffee.scope"
    _write_all(tmp_path / "cgroup", {
        "cpu,cpuacct/pods/cri-c0ffee.scope/cpuacct.usage": "2500000000\n",
        "freezer/pods/cri-c0ffee.scope/freezer.state": "FREEZING\n",
    })  # fmt: skip
    group = find_cgroup(tmp_path / "proc", tmp_path / "cgroup", "c0ffee")
    assert group is not None and group.freezer == own, "the container's own group, not one inside it"
    assert group.cpu_seconds == 2.5
    assert (group.told_to_freeze, group.frozen) == (True, False), "one process is not frozen yet"
    group.freeze()
    assert group.frozen
    group.thaw()
    assert (own / "freezer.state").read_text() == "THAWED"
    assert not group.told_to_freeze


def test_control_groups_of_version_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _process(tmp_path / "proc", 7, cgroup="0::/pods/c0ffee\n")
    own = tmp_path / "cgroup/pods/c0ffee"
    _write_all(own, {"cpu.stat": "usage_usec 1500000\nuser_usec 1\n", "cgroup.freeze": "0\n",
                     "cgroup.events": "populated 1\nfrozen 0\n"})  # fmt: skip
    group = find_cgroup(tmp_path / "proc", tmp_path / "cgroup", "c0ffee")
    assert group is not None
    assert group.cpu_seconds == 1.5
    monkeypatch.setattr(cgroup, "_LIMIT_S", 0.1)
    with pytest.raises(Unavailable, match="does not freeze"):
        group.freeze()
    assert (own / "cgroup.freeze").read_text() == "0", "let go again"
    (own / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    group.freeze()
    assert (group.told_to_freeze, group.frozen) == (True, True)


def test_control_groups_are_found_from_within_a_cgroup_namespace(tmp_path: Path) -> None:
    """As an agent's container sees them on a node with version 2: paths from its own group, the whole tree mounted."""
    root, marker = tmp_path / "cgroup", f"c0ffee{os.getpid()}"
    root.mkdir()
    subprocess.run(["mount", "-t", "cgroup2", "none", root], check=True)
    top = root / f"hbn-{os.getpid()}"
    agents, own = top / "agent", top / "pod" / f"cri-{marker}.scope"
    code = (
        "from pathlib import Path; from hubernate_checkpointer.capture.cgroup import find_cgroup;"
        f"group = find_cgroup(Path('/proc'), Path({str(root)!r}), {marker!r});"
        "group.freeze(); print(group.frozen, group.cpu_seconds is not None); group.thaw(); print(group.frozen)"
    )
    notebook = subprocess.Popen(["sleep", "60"])
    try:
        for group in (agents, own):
            group.mkdir(parents=True)
        (own / "cgroup.procs").write_text(str(notebook.pid))
        script = f'echo $$ > {agents}/cgroup.procs; exec unshare --cgroup {sys.executable} -c "$0"'
        seen = subprocess.run(["sh", "-c", script, code], capture_output=True, text=True, timeout=60, check=False)
        assert seen.stdout.split() == ["True", "True", "False"], seen.stderr
    finally:
        notebook.kill()
        notebook.wait()
        for group in (own, own.parent, agents, top):
            group.rmdir()
        subprocess.run(["umount", root], check=True)


@pytest.mark.parametrize("lines", ["0::/../../pods/c0ffee2\n", "0::/pods/another\n", ""])
def test_a_control_group_that_is_not_shown(tmp_path: Path, lines: str) -> None:
    _process(tmp_path / "proc", 7, cgroup=lines)
    (tmp_path / "cgroup/pods/c0ffee").mkdir(parents=True)
    assert find_cgroup(tmp_path / "proc", tmp_path / "cgroup", "c0ffee") is None


def test_only_a_uid_names_a_pod() -> None:
    assert is_uid(_UID)
    for text in ("", "../../etc", f"{_UID}/..", f'{_UID}"', _UID.upper(), f"{_UID}\n"):
        assert not is_uid(text)


def _hold(kubelet: Path) -> Path:
    folder = kubelet / f"pods/{_UID}/volumes/kubernetes.io~empty-dir/hold"
    folder.mkdir(parents=True)
    return folder


def test_a_hold_is_released(tmp_path: Path) -> None:
    folder = _hold(tmp_path)
    assert release_hold(tmp_path, _UID)
    assert release_hold(tmp_path, _UID), "twice does no harm"
    assert (folder / "released").read_bytes() == b""
    assert (folder / "released").stat().st_mode & 0o777 == 0o644


def test_a_pod_without_a_hold_is_let_be(tmp_path: Path) -> None:
    assert not release_hold(tmp_path, _UID)


@pytest.mark.parametrize("what", ["link", "dangling link", "file", "folder", "pipe"])
def test_whatever_the_user_put_in_the_place_of_the_file_is_never_followed(tmp_path: Path, what: str) -> None:
    folder = _hold(tmp_path / "kubelet")
    target = tmp_path / "target"
    place = folder / "released"
    if what == "link":
        target.write_text("the host's own")
        place.symlink_to(target)
    elif what == "dangling link":
        place.symlink_to(target)
    elif what == "file":
        place.write_text("")
    elif what == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    assert release_hold(tmp_path / "kubelet", _UID)
    assert place.exists() and not place.is_symlink()
    assert target.read_text() == "the host's own" if what == "link" else not target.exists()


def test_a_hold_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    kubelet, elsewhere = tmp_path / "kubelet", tmp_path / "elsewhere"
    _hold(kubelet).rmdir()
    elsewhere.mkdir()
    (kubelet / f"pods/{_UID}/volumes/kubernetes.io~empty-dir/hold").symlink_to(elsewhere)
    assert not release_hold(kubelet, _UID)
    assert list(elsewhere.iterdir()) == []

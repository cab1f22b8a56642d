"""What a container holds comes back from its saved image, of every kind and after any sequence of changes."""

import os
import random
import sqlite3
import time
from pathlib import Path

import httpx
import pytest
from docker.models.containers import Container

from hubernate_core.operation import Kind
from support.agent import Node, succeeded
from support.engine import merged, shell
from support.engines import on_both_engines
from support.pods import PodNode
from support.trees import differences, snapshot

pytestmark = [pytest.mark.docker, on_both_engines]

_ODD = r"""
mkdir -p /opt/odd/deep/er; cd /opt/odd
echo plain > plain; chmod 640 plain; chown 1000:100 plain; touch -d '2001-02-03 04:05:06' plain
echo linked > first; ln first deep/second; ln first deep/er/third
ln -s plain soft; ln -s /no/where dangling; ln -s ../../../../../etc/passwd climbing
mkfifo -m 600 pipe
mkdir locked; echo x > locked/inside; chmod 000 locked
mkdir -m 1777 sticky
printf 'a\nb' > "$(printf 'new\nline')"; echo u > 'ünïcødé 文件'; echo s > ' spaces  '
echo n > "$(printf 'not-utf8-\377\376')"
dd if=/dev/zero of=sparse bs=1 count=1 seek=50000000 2>/dev/null; echo end >> sparse
dd if=/dev/urandom of=noise bs=1024 count=3000 2>/dev/null; : > empty
cp /bin/busybox suid; chmod 6755 suid
mknod device c 5 1; mknod /opt/app/base2 c 5 1 2>/dev/null || { rm /opt/app/base2; mknod /opt/app/base2 c 5 1; }
rm /opt/app/base0; mv /opt/app/base1 /opt/app/renamed
rm -rf /opt/other; mkdir /opt/other; echo new > /opt/other/only
rm -rf /opt/app/sub; echo file > /opt/app/sub
rm /etc/motd; mkdir /etc/motd; echo dir > /etc/motd/inside
echo gone > /tmp/x; echo gone > /var/tmp/x; mkdir -p /root/.local/share/jupyter/runtime /root/.cache/pip
echo key > /root/.local/share/jupyter/runtime/kernel.json; echo c > /root/.local/share/jupyter/jupyter_cookie_secret
echo c > /root/.cache/pip/x; echo keep > /root/.local/share/jupyter/keep
"""


def _make_odd(container: Container) -> None:
    shell(container, _ODD)
    root = merged(container)
    (root / "opt/odd" / ("n" * 255)).write_text("long name")
    deep = root / "opt/odd" / ("d" * 200) / ("e" * 200)
    deep.mkdir(parents=True)
    (deep / ("f" * 200)).write_text("long path")
    (root / "opt/odd/longlink").symlink_to("t" * 150)
    os.setxattr(root / "opt/odd/plain", "user.note", b"with \0 and = and \n")
    os.setxattr(root / "opt/odd/deep", "user.folder", b"yes")
    os.utime(root / "opt/odd/noise", ns=(0, 1_234_567_890_123_456_789))


def test_everything_odd_comes_back(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    _make_odd(container)
    before = snapshot(container)
    image = node.saved(container)
    after = snapshot(node.resume(image))
    assert differences(before, after) == []
    assert after["opt/odd/first"].links == ("opt/odd/deep/er/third", "opt/odd/deep/second", "opt/odd/first")


def test_what_cannot_be_kept_is_absent_and_named(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    _make_odd(container)
    shell(container, "nc -lU /opt/odd/socket & sleep 1; echo x > /opt/odd/.wh.plain; echo x > /opt/odd/.wh..opq")
    image = node.saved(container)
    resumed = node.resume(image)
    listing = shell(resumed, "ls -a /opt/odd; stat -c %a /opt/odd/suid; ls -A /tmp /var/tmp /root/.local/share/jupyter")
    assert not {"device", "socket"} & set(os.listdir(merged(resumed) / "opt/odd"))
    assert "base2" not in shell(resumed, "ls /opt/app"), (
        "a device in the place of a file: not kept, and the file is gone"
    )
    assert "755" in listing.splitlines()
    assert "plain" in listing, "a file named .wh.plain must not delete its neighbour"
    assert "x" not in shell(resumed, "ls -A /tmp").split()
    for name in ("kernel.json", "jupyter_cookie_secret"):
        assert name not in shell(resumed, "find /root")
    assert "keep" in listing
    notes = " ".join(image.notes)
    assert "/opt/odd/suid" in notes
    assert "/opt/odd/device" in notes
    assert ".wh." in notes


def test_a_save_without_changes_adds_nothing(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    shell(container, "echo one > /opt/one")
    time.sleep(0.2)  # what was written within a clock tick of the copy is copied again
    first = node.saved(container)
    second = node.saved(container)
    assert second.layers == first.layers
    resumed = node.resume(second)
    third = node.saved(resumed, Kind.STOP, parent=second)
    # CRI makes mount points anew in each container, which moves the times of their folders: no layer more, at least.
    assert third.layers == second.layers or (isinstance(node, PodNode) and len(third.layers) == len(second.layers))


_BACK = "cat /tmp/older > /opt/one; touch -t 200102030405 /opt/one"
_GOES_BACK = f"trap '{_BACK}; exit 0' TERM; while :; do sleep 0.1; done"
_OLD = "dd if=/dev/urandom of=/opt/noise bs=1048576 count=20; dd if=/dev/urandom of=/tmp/older bs=1024 count=100"


def test_what_goes_back_while_it_ends_is_a_change_too(node: Node) -> None:
    """As the server ends, a file becomes what an older layer holds, time and all: the newest image shows another."""
    node.start_agent(stop_grace_s=10)
    container = node.notebook(command=["/bin/sh", "-c", _GOES_BACK])
    shell(container, f"{_OLD}; cp /tmp/older /opt/one; echo 1 >> /opt/one")
    node.saved(container)
    shell(container, _BACK)
    older = node.saved(container)
    shell(container, "echo two > /opt/one")
    row = node.save(container, Kind.STOP)
    succeeded(row.operation)
    assert len(row.recorded[0][1].layers) > len(older.layers), "stacked, or there is no older layer to go back to"
    resumed = node.resume(row.recorded[-1][1])
    assert shell(resumed, "stat -c %s /opt/one").strip() == "102400"


_FOLDERS = ("opt/app", "opt/other", "opt/app/sub", "opt/new", "opt/new/deep", "home")


def _mutate(root: Path, chance: random.Random) -> None:
    """One random change below `root`."""
    folder = root / chance.choice(_FOLDERS)
    other = root / chance.choice(_FOLDERS)
    name = chance.choice(("base0", "base1", "a", "b", "c"))
    action = chance.choice(
        ("write", "write", "write", "delete", "tree", "remake", "link", "soft", "move", "movedir", "swap", "mode")
    )
    try:
        if action == "write":
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(chance.randbytes(chance.randrange(2000)))
        elif action == "delete":
            (folder / name).unlink()
        elif action in ("tree", "remake"):
            _remove(folder)
            if action == "remake":
                folder.mkdir()
                (folder / "remade").write_text("x")
        elif action == "link":
            (other / chance.choice("abc")).hardlink_to(folder / name)
        elif action == "soft":
            (folder / name).symlink_to("base2")
        elif action == "move":
            (folder / name).rename(other / name)
        elif action == "movedir":
            folder.rename(other / "moved")
        elif action == "swap":
            (folder / name).unlink()
            (folder / name).mkdir()
            (folder / name / "inner").write_text("x")
        else:
            folder.chmod(chance.choice((0o700, 0o755, 0o2755)))
    except OSError:
        return  # that change was not possible here: another one will be


def _remove(path: Path) -> None:
    for each in sorted(path.rglob("*"), reverse=True):
        if each.is_dir() and not each.is_symlink():
            each.rmdir()
        else:
            each.unlink()
    path.rmdir()


@pytest.mark.parametrize("seed", range(6))
def test_stacked_deltas_equal_the_container(node: Node, seed: int) -> None:
    """Saves of one container, and of the containers resumed from it, after random changes each time."""
    chance = random.Random(seed)
    node.start_agent()
    container, parent = node.notebook(), None
    for step in range(6):
        root = merged(container)
        for _ in range(chance.randrange(1, 25)):
            _mutate(root, chance)
        before = snapshot(container)
        image = node.saved(container, parent=parent)
        resumed = node.resume(image)
        assert differences(before, snapshot(resumed)) == [], f"seed {seed}, save {step}"
        if chance.random() < 0.4:
            container.remove(force=True)
            container, parent = resumed, image
        else:
            node.generation -= 1
            resumed.remove(force=True)


def test_thirty_cycles_stay_shallow(node: Node) -> None:
    """Resume, change, stop, thirty times: few layers, everything there, nothing stored twice for long."""
    node.start_agent()
    container, parent = node.notebook(), None
    for cycle in range(30):
        shell(
            container,
            f"dd if=/dev/urandom of=/opt/file{cycle} bs=1024 count=20 2>/dev/null; rm -f /opt/file{cycle - 7}",
        )
        shell(
            container,
            f"rm -rf /opt/flip; {'mkdir /opt/flip; echo x > /opt/flip/x' if cycle % 2 else 'echo x > /opt/flip'}",
        )
        before = snapshot(container)
        parent = node.saved(container, Kind.STOP, parent=parent)
        container = node.resume(parent)
        assert len(parent.layers) <= 12
        assert differences(before, snapshot(container)) == [], f"cycle {cycle}"


def test_committed_rows_of_an_open_database_survive(node: Node, tmp_path: Path) -> None:
    """A database in WAL mode that is never closed: its committed rows are in the -wal file (F25)."""
    node.start_agent()
    container = node.notebook()
    path = merged(container) / "opt/rows.db"
    database = sqlite3.connect(path)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma wal_autocheckpoint=0")
    database.execute("create table rows (n integer)")
    database.executemany("insert into rows values (?)", ((n,) for n in range(1000)))
    database.commit()
    image = node.saved(container)
    database.close()
    resumed = sqlite3.connect(merged(node.resume(image)) / "opt/rows.db")
    assert resumed.execute("select count(*) from rows").fetchone() == (1000,)
    assert resumed.execute("pragma integrity_check").fetchone() == ("ok",)
    resumed.close()


def test_ten_thousand_tiny_files(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    shell(container, "mkdir /opt/many; cd /opt/many; for n in $(seq 10000); do echo $n > $n; done")
    image = node.saved(container)
    assert image.changed_files >= 10_000
    assert shell(node.resume(image), "ls /opt/many | wc -l; cat /opt/many/9999").split() == ["10000", "9999"]


def test_an_image_that_still_holds_all_is_not_made_again(node: Node) -> None:
    node.start_agent()
    container = node.notebook()
    # What was written just before a save is looked at once more by the next one.
    shell(container, "echo one > /opt/app/new; echo temporary > /tmp/before; sleep 1")
    first = node.saved(container)
    shell(container, "echo temporary > /tmp/now; mkdir /tmp/folder")
    same = node.save(container, unless_still=first.digest)
    succeeded(same.operation)
    assert same.recorded == []
    assert same.reports[-2][1].still == first.digest
    shell(container, "chmod 700 /tmp")
    changed = node.save(container, unless_still=first.digest)
    succeeded(changed.operation)
    assert changed.recorded[-1][1].digest != first.digest
    other = node.save(container, unless_still="sha256:" + "0" * 64)
    assert len(other.recorded) == 1, "another image is asked for than the one that is known"
    shell(container, "echo two > /opt/app/new")
    more = node.save(container, unless_still=other.recorded[-1][1].digest)
    last = more.recorded[-1][1]
    url = f"http://{node.registry.name}/v2/{node.repository}/manifests/{last.digest}"
    assert httpx.delete(url, trust_env=False).status_code == 202
    anew = node.save(container, unless_still=last.digest)
    assert len(anew.recorded) == 1, "nothing rests on an image that the registry has no longer"
    assert shell(node.resume(anew.recorded[-1][1]), "cat /opt/app/new; stat -c %a /tmp") == "two\n700\n"

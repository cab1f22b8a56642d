"""What is remembered of paths that vanished: as long as a layer may have to hide them, no longer."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hubernate_checkpointer.capture.index import Index, OwnLayer, changes, without_stale
from hubernate_checkpointer.capture.tree import opened, scan
from hubernate_core.checkpoint import Layer

_LAYER = Layer(digest=f"sha256:{'a' * 64}", diff_id=f"sha256:{'b' * 64}", size=1, media_type="x")
_PATHS = ("a", "b", "d", "d/a", "d/e/a")
_SAVES = st.lists(
    st.tuples(st.lists(st.sampled_from(_PATHS), max_size=3), st.sampled_from(("stack", "merge one", "merge all"))),
    min_size=1, max_size=12,
)  # fmt: skip


def _toggle(root: Path, path: str) -> None:
    """Remove `path` if it is there, otherwise make it."""
    place = root / path
    if place.is_dir():
        shutil.rmtree(place)
    elif place.exists():
        place.unlink()
    else:
        for above in reversed(place.relative_to(root).parents[:-1]):
            if (root / above).is_file():
                (root / above).unlink()
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(path)


@settings(deadline=None, max_examples=150)
@given(_SAVES)
def test_what_is_forgotten_is_in_no_later_layer(saves: list[tuple[list[str], str]]) -> None:
    """Saves in a row that stack their layer, or write the newest (or all of them) anew, as plans do."""
    with tempfile.TemporaryDirectory() as name, opened(name) as root:
        whole, short = Index(), Index()
        starts: list[int] = []
        for paths, how in saves:
            since = short.seq
            if how == "merge all":
                since, starts = 0, []
            elif how == "merge one" and starts:
                since = starts.pop()
            for path in paths:
                _toggle(Path(name), path)
            whole, short = scan(root, whole), scan(root, short)
            expected = changes(whole, since, lambda path: True)
            assert changes(short, since, lambda path: True) == expected
            starts.append(since)
            short = without_stale(short, [OwnLayer(_LAYER, each) for each in starts])


def test_temporary_files_of_a_long_life_are_forgotten(tmp_path: Path) -> None:
    with opened(str(tmp_path)) as root:
        index = Index()
        for number in range(50):
            (tmp_path / f"tmp{number}").write_text("x")
            index = without_stale(scan(root, index), [OwnLayer(_LAYER, 0)])
            (tmp_path / f"tmp{number}").unlink()
        assert len(scan(root, index).past) == 1, "only what the newest layer holds is still to be hidden"

"""After a restore: what the registry has, has not, and does not say."""

from typing import Any

from hubernate_checkpointer.cache import ImageCache
from hubernate_core.errors import Unavailable


class Registry:
    """Has one image, lacks one, and is silent about the third."""

    def has_manifest(self, repository: str, digest: str) -> bool:
        if repository == "t-c/u-c":
            raise Unavailable("no answer")
        return repository == "t-a/u-a"


def test_silence_is_no_answer(tmp_path: Any) -> None:
    registry: Any = Registry()
    engine: Any = None
    cache = ImageCache(engine, registry, "registry", tmp_path, 0)
    references = [f"t-{each}/u-{each}@sha256:" + "0" * 64 for each in "abc"]
    assert cache.look_for(references) == {references[0]: True, references[1]: False}

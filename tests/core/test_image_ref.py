"""Image references: a registry, lower case, a full digest; nothing that could point elsewhere (B14)."""

import pytest

from hubernate_core.errors import InvalidInput
from hubernate_core.image_ref import parse_image

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "text",
    [f"127.0.0.1:5000/profiles/base@{DIGEST}", f"registry.example.com/a/b:1.2@{DIGEST}", "localhost/x:1"],
)
def test_good_references_print_as_they_were_read(text: str) -> None:
    assert str(parse_image(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "ubuntu",
        "ubuntu:22.04",
        "library/ubuntu",
        "r.io/x:latest",
        f"r.io/x@{DIGEST[:-1]}",
        f"r.io/x@{DIGEST}0",
        "r.io/x@md5:" + "a" * 32,
        "r.io/X:1",
        "r.io/../x:1",
        "r.io/a/../b:1",
        "user:pass@r.io/x:1",
        "r.io//x:1",
        "r.io/x:1 ",
        "r.io/x:1\n",
        "https://r.io/x:1",
        "r.io/",
        "",
        f"r.io/x@{DIGEST.upper()}",
    ],
    ids=repr,
)
def test_bad_references_are_refused_by_field(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^profile\.image:"):
        parse_image(text, "profile.image")


def test_a_catalogue_needs_digests() -> None:
    with pytest.raises(InvalidInput, match="no digest"):
        parse_image("r.io/x:1", need_digest=True)

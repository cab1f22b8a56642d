"""The gate's pure decisions: targets, origins, scopes, cookies."""

from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubernate_gate.auth import may_enter
from hubernate_gate.headers import is_ours
from hubernate_gate.target import Refused, read_target, safe_next
from hubernate_gate.xsrf import same_origin

PREFIX = "/user/ada%40x.org/"


@given(st.text(max_size=60))
def test_nothing_accepted_leaves_the_prefix_or_climbs(text: str) -> None:
    for raw in (text, PREFIX + text, PREFIX + quote(text), PREFIX + quote(quote(text))):
        try:
            target = read_target(raw, PREFIX)
        except Refused:
            continue
        assert target.path.startswith(PREFIX)
        decoded = target.path
        for _ in range(3):
            decoded = unquote(decoded)
            assert not {".", ".."} & set(decoded.replace("\\", "/").split("/"))


@given(st.lists(st.text(min_size=1, max_size=10), max_size=4))
def test_an_honestly_quoted_file_name_goes_through_unchanged(names: list[str]) -> None:
    segments = [quote(name, safe="") for name in names]
    plain = [unquote(unquote(name)).replace("\\", "/") for name in names]
    if any({".", ".."} & set(name.split("/")) or min(name) < " " or "\x7f" in name for name in [*names, *plain]):
        return
    tail = "/".join(segments)
    assert read_target(PREFIX + tail, PREFIX).tail == tail


AWAY = (
    "http://evil/",
    "//evil/",
    "/\\evil",
    "/user/bob/",
    "/user/ada%40x.org/../bob",
    "",
    "javascript:alert(1)",
    "/a\r\nb",
)


@pytest.mark.parametrize("away", AWAY)
def test_after_login_nobody_is_sent_away(away: str) -> None:
    assert safe_next(away, PREFIX) == PREFIX


def test_the_browsers_spelling_of_the_prefix() -> None:
    assert read_target("/user/ada@x.org/lab?x=1", PREFIX).full == f"{PREFIX}lab?x=1"


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://hub.example", "hub.example", True),
        ("http://hub.example:80", "hub.example", True),
        ("https://hub.example", "hub.example:443", True),
        ("https://HUB.example", "hub.example", True),
        ("http://hub.example:8000", "hub.example", False),
        ("http://hub.example.evil", "hub.example", False),
        ("http://evil@hub.example", "hub.example", True),
        ("http://[::1]:80", "[::1]", True),
        ("null", "hub.example", False),
        ("", "", False),
    ],
)
def test_same_origin(origin: str, host: str, same: bool) -> None:
    assert same_origin({"Origin": origin, "Host": host}) is same


@pytest.mark.parametrize(
    ("held", "in_"),
    [
        ("access:servers!server=ada/", True),
        ("access:servers!user=ada", True),
        ("access:servers", True),
        ("access:servers!server=ada/other", False),
        ("access:servers!user=adam", False),
        ("access:services servers admin:users", False),
        ("", False),
    ],
)
def test_scopes(held: str, in_: bool) -> None:
    assert (
        may_enter(frozenset({"access:servers!server=ada/", "access:servers!user=ada"}), frozenset(held.split())) is in_
    )


def test_cookies_of_the_platform() -> None:
    for name in ("_xsrf", "jupyterhub-session-id", "__Host-jupyterhub-user-ada", "Hubernate-x", "__Secure-hubernate-y"):
        assert is_ours(name), name
    for name in ("theirs", "_xsrf2", "xjupyterhub"):
        assert not is_ours(name), name

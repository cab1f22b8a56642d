"""A person at work on a real platform: something to lose, a stop nobody waits for, and coming back to find it again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import httpx

from .installation import Installation, wait_until
from .person import Person

TENANTS = {"ada": "research", "grace": "research", "linus": "analytics"}
_CHANGE = "head -c {size} /dev/urandom > /opt/env/big.bin && date +%s%N > /opt/env/mark.txt && cat /opt/env/mark.txt"


class Peopled(Protocol):
    """A platform, on whatever engine."""

    def person(self, name: str) -> Person:
        """`name`, logged in."""


def working(platform: Peopled, name: str, size: int = 30_000_000, *, wait_s: float = 120) -> tuple[Person, str]:
    """`name` with a running server and `size` bytes of fresh change; and the mark that must survive."""
    person = platform.person(name)
    if (person.server() or {}).get("pending"):
        # An earlier test's server may still be on its way down; say of what kind, should anybody wonder.
        print(f"{name} waits for a server that is pending: {person.server()}, {person.platform_server()['operation']}")
        wait_until("nothing is pending", lambda: not (person.server() or {}).get("pending"), timeout_s=wait_s)
    if not (person.server() or {}).get("ready"):
        person.start(profile="base", tenant=TENANTS[name], wait_s=wait_s)
    return person, person.shell(_CHANGE.format(size=size)).strip()


def ask_to_stop(person: Person) -> dict[str, Any]:
    """Press Stop and wait only until there is an operation for it, which may have ended by then; the operation."""
    before = newest(person).get("id")
    person.ask("DELETE", person.server_path)

    def begun() -> dict[str, Any] | None:
        operation = newest(person)
        return operation if operation.get("kind") == "stop" and operation["id"] != before else None

    return wait_until("a stop is under way", begun)


def open_stop(person: Person) -> dict[str, Any] | None:
    """The open operation that stops the server, if there is one."""
    operation = newest(person)
    return operation if operation.get("kind") == "stop" and not operation.get("finished_at") else None


def newest(person: Person) -> dict[str, Any]:
    """The open or the newest finished operation of the server; empty before the first."""
    operation: dict[str, Any] = person.platform_server()["operation"] or {}
    return operation


def come_back(person: Person, mark: str) -> None:
    """Start again, as often as it takes, and find the mark."""

    def started() -> bool:
        server = person.server()
        if server and server["ready"]:
            return True
        if not server or not server["pending"]:
            person.ask("POST", person.server_path, json={})
        return False

    wait_until("the server is back", started, timeout_s=180)
    found = person.shell("cat /opt/env/mark.txt").strip()
    assert found == mark, f"what was saved is gone: {found!r} instead of {mark!r}"


def checkpoint_ids(person: Person) -> set[str]:
    """Which checkpoints there are now; retention lets old ones go at any time, so only their difference tells."""
    return {str(each["id"]) for each in person.checkpoints()}


def only_notebook(platform: Installation, person: Person) -> Any:
    """The server's one notebook container."""
    (found,) = platform.containers("notebook", person.platform_server()["id"])
    return found


@contextmanager
def browser(platform: Installation, name: str) -> Iterator[httpx.Client]:
    """A browser in which `name` has signed in at the hub's page; for pages that no token opens."""
    with browser_at(platform.url, name, platform.accounts()["user_password"]) as client:
        yield client


@contextmanager
def browser_at(url: str, name: str, password: str) -> Iterator[httpx.Client]:
    """As `browser`, at a platform's address."""
    headers = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=url, timeout=60, follow_redirects=True, headers=headers) as client:
        client.get("/hub/login")
        xsrf = client.cookies.get("_xsrf", path="/hub/") or ""
        client.post("/hub/login", data={"username": name, "password": password, "_xsrf": xsrf})
        yield client

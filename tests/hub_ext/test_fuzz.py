"""The API, from its own OpenAPI document: whatever anybody sends, nothing breaks (500) and every refusal is a problem.

The same requests at every run; they hold real ids half of the time, so that they reach what is behind them.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.errors import SchemathesisError

from support.platform_service import PREFIX, SPAWNER_TOKEN, Running, agent_token, running

EXAMPLES = 3
"""For each operation, of what the document allows; and one of what it does not."""
PROCESSES = ("agent", "hub", "gate")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("fuzz")) as found:
        yield found


@pytest.fixture(scope="module")
def real(service: Running) -> dict[str, str]:
    """A server that sleeps, with an operation and a checkpoint, of the member who asks."""
    server = service.start("eve")
    service.tell(server.ticket, "stop", {"generation": 1})
    agent = service.agent()
    order = agent.order()
    agent.finish(order)
    (saved,) = service.person("eve")("GET", f"/servers/{server.id}/checkpoints").json()["items"]
    ids = {"server": server.id, "operation": order.operation_id, "checkpoint": saved["id"]}
    return ids | {"tenant": "physics", "user": "eve", "source": "lake", "node": "local"}


@pytest.fixture(scope="module")
def tokens(service: Running) -> dict[str, str]:
    """Whose token is good for which part of the API; people's for all that is not a process's of ours."""
    root = service.person("root", admin=True)
    root("PUT", "/tenants/physics/members/ada", json={"role": "admin"})
    return {
        "platform admin": root.token,
        "tenant admin": service.person("ada", groups=("physics",)).token,
        "member": service.person("eve", groups=("physics",)).token,
        "agent": agent_token("local"),
        "hub": SPAWNER_TOKEN,
        "gate": service.start("nina").ticket.relay_token,
    }


def part_of(path: str) -> str:
    """Which process of ours a path is for; empty: people."""
    first = path.removeprefix(f"{PREFIX}/api/v1/").partition("/")[0]
    return {"agent": "agent", "hub": "hub", "gate": "gate", "relay": "gate"}.get(first, "")


@pytest.mark.parametrize("role", ["platform admin", "tenant admin", "member", "agent", "hub", "gate"])
def test_nothing_that_anybody_sends_breaks_it(
    service: Running, real: dict[str, str], tokens: dict[str, str], role: str
) -> None:
    document = service.ask("GET", "/api/v1/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    session = requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {tokens[role]}"
    # What the document does not allow is refused before anybody asks for whom.
    modes = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]
    if role in ("tenant admin", "member"):
        modes.remove(GenerationMode.NEGATIVE)
    tried: dict[int, int] = {}
    broken: list[str] = []

    def ask(case: Any, ids: dict[str, str]) -> None:
        held = case.path_parameters or {}
        case.path_parameters = held | {name: ids[name] for name in held if name in ids}
        for values in (case.body, case.query):
            if isinstance(values, dict) and isinstance(values.get("wait_s"), int | float):
                values["wait_s"] = min(values["wait_s"], 0)  # who asks to wait waits
            if isinstance(values, dict) and ids and isinstance(values.get("node"), str):
                values["node"] = ids["node"]
        answer = case.call(base_url=service.url, session=session, timeout=30)
        tried[answer.status_code] = tried.get(answer.status_code, 0) + 1
        if answer.text == "Invalid HTTP request received.":
            return  # the HTTP server's own word to an address too long
        fine = answer.status_code < 500 or answer.status_code == 503
        problem = answer.status_code < 400 or "application/problem+json" in answer.headers.get("content-type", [])
        if not fine or not problem:
            broken.append(f"{answer.status_code} {case.as_curl_command()[:600]}\n{answer.text[:300]}")

    for result in schema.get_all_operations():
        operation = result.ok()
        if part_of(operation.path) != (role if role in PROCESSES else ""):
            continue  # a person gets 401 there: `test_nothing_is_answered_without_a_token`
        for mode in modes:
            cases = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=EXAMPLES if mode is GenerationMode.POSITIVE else 1,
                derandomize=True, database=None, deadline=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=cases, ids=st.sampled_from([real, {}]))
            def each(case: Any, ids: dict[str, str]) -> None:
                ask(case, ids)

            try:
                each()
            except (SchemathesisError, Unsatisfiable):
                assert mode is GenerationMode.NEGATIVE, f"{operation.label}: nothing was tried"
    assert not broken, f"{len(broken)} of {sum(tried.values())}:\n" + "\n".join(broken[:5])
    assert sum(tried.values()) >= 8, tried
    assert 422 in tried and min(tried) < 300, tried

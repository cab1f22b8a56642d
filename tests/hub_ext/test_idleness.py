"""What the newest report of a gate is silent about is unknown, and unknown is not idle (F39)."""

import time
from pathlib import Path

from support.platform_service import eventually, running


def test_a_cell_that_runs_between_two_reports_keeps_the_server(tmp_path: Path) -> None:
    """The rule is shorter than the time between reports; the server was busy whenever its gate spoke."""
    tenants = [{"name": "physics", "culling": {"idle_after": "PT20S"}}]
    with running(tmp_path, loops=True, state={"tenants": tenants}, hub_every_s=1000, cull_every_s=0.1) as service:
        server = service.start("ada")
        agent = service.agent()
        key = (server.id, server.ticket.generation)

        def report(kernels_busy: int) -> None:
            body = {"generation": key[1], "kernels_busy": kernels_busy, "terminals_busy": 0}
            sent = service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, json=body)
            assert sent.status_code == 204

        for _ in range(2):
            report(kernels_busy=1)
            service.clock.move(seconds=30)
            service.inside.gates_heard[key] -= 30  # type: ignore[index]  # the other clock moves with it
            time.sleep(0.5)
            assert not agent.poll(server.seen()).orders
        report(kernels_busy=0)
        service.clock.move(seconds=12)  # its person was told for half of the rule's time
        assert eventually("an order", lambda: agent.poll(server.seen()).orders)

"""What the service keeps in memory is bounded by what exists, however many starts there were."""

import asyncio

from hubernate_hub.reconcile.servers import Servers
from support.platform_service import Running


def test_starts_that_are_over_are_forgotten(service: Running) -> None:
    context, agent = service.inside, service.agent()
    for _ in range(4):
        server = service.start("ada")
        agent.poll(server.seen(cpu_seconds=1.0))
        report = {"generation": server.ticket.generation}
        assert service.ask("POST", "/api/v1/gate/activity", server.ticket.relay_token, json=report).status_code == 204
        agent.poll()
        context.fleet.gone("local", (server.ticket.server_id, server.ticket.generation))
        service.tell(server.ticket, "stop", {"generation": server.ticket.generation})
        agent.finish(agent.order())
    last = service.start("ada")
    agent.poll(last.seen(cpu_seconds=1.0))
    service.ask("POST", "/api/v1/gate/activity", last.ticket.relay_token, json={"generation": 5})
    node = context.fleet.node("local")
    assert node is not None
    assert len(context.gates_heard) == 5 and len(node.absent_since) == 4
    asyncio.run(Servers(context).housekeeping())
    key = (last.ticket.server_id, 5)
    assert list(context.gates_heard) == [key], "the one that runs is still known"
    assert list(context.fleet._cpu) == [key]
    assert node.absent_since == {}

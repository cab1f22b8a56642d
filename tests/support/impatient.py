"""A service whose loops take seconds where a real one's take minutes; otherwise the same."""

SERVICE = """\
c.HubernateService.reconcile_every_s = 1
c.HubernateService.cull_every_s = 1
c.HubernateService.hub_every_s = 2
c.HubernateService.hub_grace_s = 10
c.HubernateService.agent_silent_after_s = 25
c.HubernateService.retry_after_s = 5
"""

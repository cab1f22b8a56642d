"""The Jupyter Server extension of a notebook behind a gate: who is asking, where the hub is, what is busy."""


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    """Jupyter Server's hook: where the extension is."""
    from .extension import HubernateExtension

    return [{"module": "hubernate_server", "app": HubernateExtension}]

"""What is closed, and how patient the hub is."""

c = get_config()  # noqa: F821  # given by traitlets

c.JupyterHub.oauth_require_pkce = True
c.JupyterHub.admin_access = False
c.JupyterHub.tornado_settings = {
    # A stop saves first and takes as long as it takes; the page shows how far it is, so the request need not wait.
    "slow_stop_timeout": 0.5,
    "headers": {
        "Content-Security-Policy": "frame-ancestors 'none'; object-src 'none'; base-uri 'self'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
    },
}
# Logging out leaves servers alone: they are put to sleep when idle.
c.JupyterHub.shutdown_on_logout = False
c.JupyterHub.active_server_limit = 0

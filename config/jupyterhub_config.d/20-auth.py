"""Who may log in: OAuth when the state folder has an oauth.json, the embedded accounts otherwise.

oauth.json (0600) holds options of oauthenticator's GenericOAuthenticator, such as client_id, client_secret,
authorize_url, token_url, userdata_url, username_claim, auth_state_groups_key, allowed_users or allowed_groups.
"""

import json

from hubernate_core.errors import Broken
from hubernate_spawner.accounts import EmbeddedAuthenticator
from hubernate_spawner.installation import check_private, read_accounts, read_installation
from hubernate_spawner.oauth import TenantOAuthenticator

c = get_config()  # noqa: F821  # given by traitlets
here = read_installation()
oauth = here.state / "oauth.json"

# Groups are the tenants, and only the source of the accounts decides on them: read at login and before each start.
c.Authenticator.manage_groups = True
c.Authenticator.refresh_pre_spawn = True
c.Authenticator.allow_all = False

if oauth.exists():
    check_private(oauth)
    try:
        options = json.loads(oauth.read_text())
    except ValueError as problem:
        raise Broken(f"{oauth} is not JSON: {problem}") from problem
    c.JupyterHub.authenticator_class = TenantOAuthenticator
    for name, value in options.items():
        c.TenantOAuthenticator[name] = (
            set(value) if isinstance(value, list) and name.endswith(("_users", "_groups")) else value
        )
else:
    accounts = read_accounts(here.accounts_file)
    c.JupyterHub.authenticator_class = EmbeddedAuthenticator
    c.EmbeddedAuthenticator.accounts_file = str(here.accounts_file)
    c.Authenticator.allowed_users = {accounts.admin, *accounts.users}
    c.Authenticator.admin_users = {accounts.admin}

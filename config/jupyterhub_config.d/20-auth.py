"""Who may log in: OAuth when the state folder has an oauth.json, the embedded accounts otherwise.

oauth.json (0600) holds options of oauthenticator's GenericOAuthenticator, such as client_id, client_secret,
authorize_url, token_url, userdata_url, username_claim, auth_state_groups_key, allowed_users or allowed_groups. The two
exclude each other: with oauth.json there, accounts.json is not read.
"""

from hubernate_spawner.accounts import EmbeddedAuthenticator
from hubernate_spawner.installation import read_accounts, read_installation
from hubernate_spawner.oauth import TenantOAuthenticator
from hubernate_spawner.oauth_file import read_oauth

c = get_config()  # noqa: F821  # given by traitlets
here = read_installation()
oauth = here.state / "oauth.json"

# Groups are the tenants, and only the source of the accounts decides on them. They are read at login, before each
# start, and while somebody or a server of theirs is active: of an identity provider only where the hub may keep tokens.
c.Authenticator.manage_groups = True
c.Authenticator.refresh_pre_spawn = True
c.Authenticator.allow_all = False

if oauth.exists():
    c.JupyterHub.authenticator_class = TenantOAuthenticator
    c.TenantOAuthenticator.http_request_kwargs = {"connect_timeout": 5, "request_timeout": 10}
    c.TenantOAuthenticator.service_url = f"{here.service_address}/services/hubernate"
    c.TenantOAuthenticator.service_token_file = str(here.secret_file("spawner-token"))
    if key := here.optional_secret("hub-crypt-key"):
        c.CryptKeeper.keys = [key]
        c.TenantOAuthenticator.enable_auth_state = True
    for name, value in read_oauth(oauth).items():
        c.TenantOAuthenticator[name] = value
else:
    accounts = read_accounts(here.accounts_file)
    c.JupyterHub.authenticator_class = EmbeddedAuthenticator
    c.EmbeddedAuthenticator.accounts_file = str(here.accounts_file)
    c.Authenticator.allowed_users = {accounts.admin, *accounts.users}
    c.Authenticator.admin_users = {accounts.admin}

"""`hubernate kubernetes …`: what an administrator of a cluster does beside `kubectl apply -k`."""

from typing import Annotated

import typer

from hubernate_core.errors import NotFound
from hubernate_core.platform_file import Accounts

from ..console import out
from .data_keys import change_keys, make_keys, only_current
from .kubectl import Kubectl
from .secrets import NAME, ensure_secrets, read_accounts

app = typer.Typer(no_args_is_help=True, help="The platform on a Kubernetes cluster.")
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="the platform's namespace")]
Context = Annotated[str, typer.Option(help="kubectl's context; empty: the current one")]


@app.command()
def secrets(namespace: Namespace = "hubernate", context: Context = "") -> None:
    """Make the platform's secrets that are missing; those that are there stay as they are.

    Example: hubernate kubernetes secrets -n hubernate
    """
    made, accounts = ensure_secrets(Kubectl(namespace, context))
    out.print(f"made in {namespace}/{NAME}: {', '.join(made)}" if made else f"{namespace}/{NAME} has everything")
    if accounts is not None:
        _show(accounts)


@app.command("new-data-key")
def new_data_key(namespace: Namespace = "hubernate", context: Context = "") -> None:
    """Add a key for sources' credentials, from now on the current one. Then: hubernate sources rotate-keys

    Example: hubernate kubernetes new-data-key -n hubernate
    """
    count = change_keys(Kubectl(namespace, context), NAME, make_keys)
    out.print(f"{namespace}/{NAME} has {count} data keys. The service sees the new one within two minutes; then run")
    out.print("  hubernate sources rotate-keys    which names the key for")
    out.print("  hubernate kubernetes forget-data-keys KEY", soft_wrap=True)


@app.command("forget-data-keys")
def forget_data_keys(
    key: Annotated[str, typer.Argument(help="the key that `hubernate sources rotate-keys` named")],
    namespace: Namespace = "hubernate",
    context: Context = "",
) -> None:
    """Keep one data key only: the one under which `hubernate sources rotate-keys` has put everything.

    Example: hubernate kubernetes forget-data-keys 5f3a9c01 -n hubernate
    """
    change_keys(Kubectl(namespace, context), NAME, lambda text: only_current(text, key))
    out.print(f"{namespace}/{NAME} has one data key; backups of the database from before open with the former one only")


@app.command()
def accounts(namespace: Namespace = "hubernate", context: Context = "") -> None:
    """Show the embedded accounts and their passwords.

    Example: hubernate kubernetes accounts
    """
    known = read_accounts(Kubectl(namespace, context))
    if known is None:
        raise NotFound(
            f"{namespace}/{NAME} holds no accounts: people log in at an identity provider, or nobody can yet."
        )
    _show(known)


def _show(known: Accounts) -> None:
    out.print(f"  {known.admin:<8} {'admin':<22} {known.admin_password}", markup=False, soft_wrap=True)
    for user, tenants in known.users.items():
        out.print(f"  {user:<8} {', '.join(tenants):<22} {known.user_password}", markup=False, soft_wrap=True)

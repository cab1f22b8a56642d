"""`hubernate kubernetes …`: what an administrator of a cluster does beside `kubectl apply -k`."""

from typing import Annotated

import typer

from hubernate_core.errors import NotFound
from hubernate_core.platform_file import Accounts

from ..console import out
from .kubectl import Kubectl
from .secrets import NAME, ensure_secrets, read_accounts

app = typer.Typer(no_args_is_help=True, help="The platform on a Kubernetes cluster.")
Namespace = Annotated[str, typer.Option("-n", "--namespace", help="the platform's namespace")]
Context = Annotated[str, typer.Option(help="kubectl's context; empty: the current one")]


@app.command()
def secrets(namespace: Namespace = "hubernate", context: Context = "") -> None:
    """Make the platform's secrets that are missing; those that are there stay as they are."""
    made, accounts = ensure_secrets(Kubectl(namespace, context))
    out.print(f"made in {namespace}/{NAME}: {', '.join(made)}" if made else f"{namespace}/{NAME} has everything")
    if accounts is not None:
        _show(accounts)


@app.command()
def accounts(namespace: Namespace = "hubernate", context: Context = "") -> None:
    """Show the embedded accounts and their passwords."""
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

"""Commands for what was used over time, what it costs, and prices."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from hubernate_core.errors import InvalidInput, shorten

from .output import Context, Form, Output, show
from .teams import api

app = typer.Typer()
_COLUMNS = {
    "tenant": [("TEAM", "tenant"), ("TITLE", "title"), ("OF", "user")],
    "person": [("TEAM", "tenant"), ("PERSON", "user")],
    "day": [("DAY", "day")],
}
_AMOUNTS = [
    ("ENVIRONMENT-HOURS", "amounts.servers"),
    ("CORE-HOURS", "amounts.cpu"),
    ("GIB-HOURS", "amounts.memory"),
    ("SAVED GIB-DAYS", "amounts.checkpoint_bytes"),
]


class By(StrEnum):
    """What each line is of."""

    TENANT = "tenant"
    PERSON = "person"
    DAY = "day"


class UsageForm(StrEnum):
    """How use is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


@app.command()
def usage(
    team: Annotated[str, typer.Argument(help="Only this team; default: all that you may see.")] = "",
    first: Annotated[str, typer.Option("--from", help="First UTC day, such as 2026-11-01; default: 29 days ago.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last UTC day, inclusive; default: today.")] = "",
    by: Annotated[By, typer.Option(help="What each line is of: tenant, person or day.")] = By.TENANT,
    context: Context = "",
    output: Annotated[UsageForm, typer.Option("--output", "-o", help="table, json, yaml or csv.")] = UsageForm.TABLE,
) -> None:
    """Show what was used and what it costs. Example: hubernate usage --from 2026-11-01 --to 2026-11-30 -o csv"""
    call = api(context)
    query = {"from": first, "to": last, "by": str(by), "tenant": team}
    query = {name: value for name, value in query.items() if value}
    if output is UsageForm.CSV:
        typer.echo(call.text("/usage.csv", query), nl=False)
        return
    report: dict[str, Any] = call("GET", "/usage", query=query | {"limit": 500})
    cursor = report["next"]
    while cursor:
        page = call("GET", "/usage", query=query | {"limit": 500, "cursor": cursor})
        report["items"] += page["items"]
        cursor = page["next"]
    del report["next"]
    if output is not UsageForm.TABLE:
        show(report, Form(output))
        return
    money = f"COST {report['currency']}".strip()
    devices = [name for name in report["units"] if "/" in name]
    keys = {f"device {number}": name for number, name in enumerate(devices)}  # in a device's name a dot goes no deeper
    lines = [*report["items"], {_COLUMNS[by][0][1]: "total", **report["total"]}]
    lines = [each | {key: each["amounts"].get(name, "") for key, name in keys.items()} for each in lines]
    amounts = [*_AMOUNTS[:3], *((f"{name}-HOURS", key) for key, name in keys.items()), *_AMOUNTS[3:]]
    if "storage" in report["total"]["amounts"]:
        amounts.append(("HOME GIB-DAYS", "amounts.storage"))
    show(lines, Form.TABLE, [*_COLUMNS[by], *amounts, (money, "cost")])


@app.command()
def prices(
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="YAML of a price list to put in force; for platform admins.")
    ] = None,
    context: Context = "",
    output: Output = Form.YAML,
) -> None:
    """Show the price lists, or put one in force. Example: hubernate prices -f prices.yaml"""
    call = api(context)
    found = call("GET", "/prices") if file is None else call("PUT", "/prices", body=_price_list(file))
    columns = [("SINCE", "since"), ("CURRENCY", "currency"), ("PRICES", "prices")]
    show(found["items"], output, columns)


def _price_list(path: Path) -> dict[str, Any]:
    """The list in a file, every price and day in the very words of the file: YAML would read 0.10 as a float."""
    try:
        found = yaml.load(path.read_text(), Loader=yaml.BaseLoader)
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise InvalidInput("file", f"{path} cannot be read as YAML: {shorten(str(problem), 200)}") from problem
    if not isinstance(found, dict):
        raise InvalidInput("file", f"{path} holds no price list; write currency and prices")
    if found.get("since") in ("", "null", "~"):
        found["since"] = None
    return found

"""The start form: what the platform service offers, as HTML for JupyterHub's spawn page. Pure; escaped by Jinja."""

from datetime import datetime, timedelta
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from hubernate_core.checkpoint import Checkpoint
from hubernate_core.errors import OverQuota
from hubernate_core.quantity import show_bytes
from hubernate_core.quota import Shortfall
from hubernate_core.refusal import label_of, show_amount
from hubernate_core.server import Start
from hubernate_core.wire import ProfileCard, StartOptions, TenantOptions, Use

_PEOPLE = 8
"""Named in one refusal; the rest is counted."""

_ENVIRONMENT = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_FORM, _REFUSAL = (
    _ENVIRONMENT.from_string((files(__package__) / f"{name}.html").read_text()) for name in ("start_form", "refusal")
)


def make_form(options: StartOptions, now: datetime) -> str:
    """HTML of the start form's fields (the page adds form element and button).

    Args:
        options: what the person may start.
        now: UTC, for the ages.
    """
    chosen = options.default.tenant
    tenants = [_tenant(each, options, now) for each in options.tenants]
    if tenants and not any(each["name"] == chosen for each in tenants):
        chosen = str(tenants[0]["name"])
    return _FORM.render(tenants=tenants, chosen=chosen, saving=options.operation is not None)


def make_refusal(problem: OverQuota) -> str:
    """HTML for the page of a start that a quota refused: what is used, by whom, the limit, and the whole sentence."""
    shown = []
    for each in map(Shortfall.model_validate, problem.shortfalls):
        people = [(share.user, show_amount(each.resource, share.amount)) for share in each.by[:_PEOPLE]]
        shown.append(
            {
                "label": label_of(each.resource),
                "whose": "your team" if each.scope == "tenant" else next((who.user for who in each.by), "you"),
                "used": show_amount(each.resource, each.used),
                "limit": show_amount(each.resource, each.limit),
                "wanted": show_amount(each.resource, each.wanted) if each.wanted else "",
                "percent": _percent(each.used, each.limit),
                "people": people,
                "more": len(each.by) - len(people),
            }
        )
    return _REFUSAL.render(message=problem.message, shortfalls=shown)


def age(past: timedelta) -> str:
    """`past` for a person: "just now", "5 min ago", "3 h ago", "2 days ago"."""
    minutes = int(past.total_seconds() // 60)
    if minutes < 1:
        return "just now"
    if minutes < 90:
        return f"{minutes} min ago"
    if minutes < 48 * 60:
        return f"{round(minutes / 60)} h ago"
    return f"{minutes // (24 * 60)} days ago"


def _tenant(tenant: TenantOptions, options: StartOptions, now: datetime) -> dict[str, object]:
    usable = [each for each in tenant.checkpoints if each.usable]
    titles = {each.name: each.title for each in tenant.profiles if not each.team_image}
    default = options.default.start if usable else Start.CLEAN
    profiles = list(titles)
    wanted = options.default.profile
    return {
        "name": tenant.name,
        "title": tenant.title or tenant.name,
        "newest": _line(usable[0], titles, now) if usable else None,
        "earlier": [(each.id, _line(each, titles, now)) for each in usable[1:]],
        "lost": len(tenant.checkpoints) - len(usable),
        "profiles": [_card(each) for each in tenant.profiles],
        "use": [_use(each) for each in tenant.use if each.limit is not None or each.my_limit is not None],
        "tight": _tight(tenant, usable),
        "waiting": tenant.waiting,
        "profile": wanted if wanted in profiles else (profiles or [""])[0],
        "start": str(Start.CONTINUE if default is Start.CHECKPOINT else default),
    }


def _use(use: Use) -> dict[str, object]:
    limit = use.limit if use.limit is not None else use.my_limit or 0
    used = use.used if use.limit is not None else use.mine
    own = f"you {use.my_shown}" if use.my_limit is not None or use.mine else ""
    return {"label": use.label, "shown": use.shown, "percent": _percent(used, limit), "own": own}


def _tight(tenant: TenantOptions, usable: list[Checkpoint]) -> str:
    """Why going on with the newest checkpoint is refused now; empty: it fits."""
    wanted = usable[0].profile if usable else ""
    return next((each.refusal for each in tenant.profiles if each.name == wanted), "")


def _percent(used: int, limit: int) -> int:
    return min(100, round(100 * used / limit)) if limit else 100


def _line(checkpoint: Checkpoint, titles: dict[str, str], now: datetime) -> str:
    name = f"“{checkpoint.name}” · " if checkpoint.name else ""
    profile = titles.get(checkpoint.profile, checkpoint.profile)
    return f"{name}{profile} · saved {age(now - checkpoint.created_at)} · {show_bytes(checkpoint.size)}"


def _card(profile: ProfileCard) -> dict[str, str]:
    return {
        "name": f"team_image:{profile.team_image}" if profile.team_image else profile.name,
        "image": profile.team_image,
        "title": profile.title,
        "description": profile.description,
        "refusal": profile.refusal,
        "size": f"{profile.cpu / 1000:g} CPU · {profile.memory / 1024**3:.3g} GiB memory",
    }

"""How people sign on, and what an identity provider says of their groups: read strictly, a doubt changes nothing."""

from collections.abc import Collection
from enum import StrEnum

from .errors import InvalidInput, shorten

GROUP_BYTES_MAX = 255
"""As long as the hub's and our own columns; a longer one names no team."""

_CLASSES = {
    "hubernate_spawner.oauth.TenantOAuthenticator": "identity-provider",
    "hubernate_spawner.accounts.EmbeddedAuthenticator": "accounts",
}


class SignOn(StrEnum):
    """Which of the two, which exclude each other, decides who people are and which groups they are in."""

    IDENTITY_PROVIDER = "identity-provider"
    ACCOUNTS = "accounts"
    OTHER = "other"

    @property
    def words(self) -> str:
        """For people."""
        return {
            SignOn.IDENTITY_PROVIDER: "People sign in at an identity provider; groups are what it says at each login.",
            SignOn.ACCOUNTS: "People sign in with the embedded accounts; groups are those of accounts.json.",
            SignOn.OTHER: "People sign in by an authenticator of your own; groups are what it says.",
        }[self]


def sign_on_of(authenticator: str) -> SignOn:
    """The mode of a hub whose authenticator is of this class."""
    return SignOn(_CLASSES.get(authenticator, "other"))


def read_groups(claim: object, *, missing_is_none: bool = False) -> tuple[str, ...]:
    """The groups in `claim`, each once and sorted; those with over 255 bytes are left out.

    Raises:
        InvalidInput: it is missing, and `missing_is_none` is not set; or it is no list of names. A bare string is
            refused too: it would be read letter by letter, or name one group where several were meant (B32).
    """
    if claim is None:
        if missing_is_none:
            return ()
        raise InvalidInput(
            "groups",
            "the provider told no groups at all. Look at its mapper and at the scopes asked for; Microsoft Entra ID"
            " leaves the claim out for people in too many groups, so restrict it to groups assigned to the"
            " application. Where no claim means no groups, set no_claim_means_no_groups",
        )
    if isinstance(claim, str | bytes | dict) or not isinstance(claim, Collection):
        raise InvalidInput("groups", f"a list of names is expected, this is a {type(claim).__name__}")
    names: set[str] = set()
    for each in claim:
        if not isinstance(each, str):
            raise InvalidInput("groups", f"a list of names is expected, there is a {type(each).__name__} in it")
        if not each or not each.isprintable():
            raise InvalidInput("groups", f"{shorten(each, 40)!r} is no name of a group")
        if len(each.encode()) <= GROUP_BYTES_MAX:
            names.add(each)
    return tuple(sorted(names))

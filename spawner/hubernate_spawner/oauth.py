"""Login by an identity provider; its groups are the tenants' members."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from tornado import web
from tornado.httpclient import HTTPError as ProviderError
from traitlets import Bool, Integer, Unicode

from hubernate_core.errors import HubernateError, InvalidInput, shorten
from hubernate_core.sign_on import read_groups

from .accounts import OneSpelling
from .client import ServiceClient

_NO = (400, 401, 403)
"""With these a provider refuses a token; everything else is trouble of its own."""
_in_doubt = ContextVar("_in_doubt", default=False)
_renewed: ContextVar[dict[str, Any] | None] = ContextVar("_renewed", default=None)


@contextmanager
def _asking() -> Iterator[None]:
    """Around a question to the provider: what follows is in doubt unless the provider says no, since oauthenticator
    makes one "log in again" of all that goes wrong once the access token is over.

    `refresh_user` reads it. All of a refresh is awaited in one task, where what is set here stays set; refreshes of
    others are other tasks, with values of their own.
    """
    _in_doubt.set(True)
    try:
        yield
    except (ProviderError, web.HTTPError) as problem:
        _in_doubt.set((problem.code if isinstance(problem, ProviderError) else problem.status_code) not in _NO)
        raise


class TenantOAuthenticator(OneSpelling, GenericOAuthenticator):  # type: ignore[misc]
    """oauthenticator's generic one with one spelling of names, and with groups that are a list or nothing is changed.

    What the provider says of a person is asked again at most every `auth_refresh_age` seconds while they or a server
    of theirs are active, if the hub may keep their tokens (`enable_auth_state`). While the provider does not answer,
    what is known of them stays.
    """

    _service: ServiceClient | None = None
    no_claim_means_no_groups = Bool(
        False,
        help="Whether a person of whom the provider tells no groups at all is in none. Default False: the login is"
        " refused and memberships stay as they are, since a claim that is missing for everybody is most often a mapper"
        " or scope that was lost, and would have every server saved and stopped. Set it for providers that leave the"
        " claim out for people in no group (Microsoft Entra ID, Canaille).",
    ).tag(config=True)

    kept_groups_max = Integer(
        200,
        min=0,
        help="How many groups of a person the hub keeps as they are. Default 200. Of a person in more only those are"
        " kept that a team, allowed_groups or admin_groups names: ten thousand new ones stop the hub for seconds.",
    ).tag(config=True)
    service_url = Unicode(help="The platform service, which says what teams name. The configuration sets it.").tag(
        config=True
    )
    service_token_file = Unicode(help="File with the spawner's token for it. The configuration sets it.").tag(
        config=True
    )

    async def get_user_groups(self, auth_state: dict[str, Any]) -> set[str]:
        """The groups of a person; none where no claim is configured, so that teams' own lists decide alone.

        Raises:
            web.HTTPError: 403, the claim is missing or no list of names (B32); 503, the platform service does not say
                which of very many groups matter. Nobody's membership changed.
        """
        if callable(self.auth_state_groups_key):
            claim = await super().get_user_groups(auth_state)
        elif not self.auth_state_groups_key:
            return set()
        else:
            claim = auth_state
            for part in self.auth_state_groups_key.split("."):
                claim = claim.get(part) if isinstance(claim, dict) else None
        try:
            groups = set(read_groups(claim, missing_is_none=self.no_claim_means_no_groups))
            return groups if len(groups) <= self.kept_groups_max else await self._those_that_matter(groups)
        except InvalidInput as problem:
            self.log.error("login refused: %s: %s", self.auth_state_groups_key, problem.reason)
            raise web.HTTPError(
                403,
                "Your identity provider did not say which groups you are in, so you were not logged in. Nothing was"
                " changed. Ask an admin of this platform; the hub's log says more.",
            ) from problem

    async def _those_that_matter(self, groups: set[str]) -> set[str]:
        self._service = self._service or ServiceClient(self.service_url, self.service_token_file)
        try:
            named = await self._service.known_groups(groups)
        except HubernateError as problem:
            self.log.error("login refused: of %d groups it is not known which matter: %s", len(groups), problem)
            raise web.HTTPError(
                503,
                "You were not logged in: the platform's service does not answer. Nothing was changed; try again soon.",
            ) from problem
        named |= groups & (self.allowed_groups | self.admin_groups)
        return named

    async def get_token_info(self, handler: Any, params: dict[str, Any]) -> Any:
        """What the provider gives for a code or a refresh token."""
        with _asking():
            tokens = await super().get_token_info(handler, params)
        _renewed.set(tokens)
        return tokens

    async def token_to_user(self, token_info: dict[str, Any]) -> Any:
        """What the provider says of the person with these tokens."""
        with _asking():
            return await super().token_to_user(token_info)

    async def refresh_user(self, user: Any, handler: Any = None, **options: Any) -> Any:
        """What the provider says now; what is known stays while it, or the platform service, says nothing usable.

        False, so that they log in again, only where it said no, or nothing is known to ask it with.
        """
        _in_doubt.set(False)
        _renewed.set(None)
        try:
            found = await super().refresh_user(user, handler, **options)
            if found or not _in_doubt.get():
                return found
            problem = "see the line before"  # oauthenticator has caught and logged it
        except web.HTTPError as error:
            problem = f"HTTP {error.status_code}"  # its words may be a token's
        # The last four: a provider in maintenance answers 200 with a page, an empty body or JSON of another form, which
        # oauthenticator takes apart unseen.
        except (ProviderError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            problem = shorten(f"{type(error).__name__}: {error}", 200)
        self.log.warning(
            "the identity provider said nothing usable; keeping what is known of %s: %s",
            shorten(user.name, 60), problem,
        )  # fmt: skip
        return await self._as_known(user)

    async def _as_known(self, user: Any) -> Any:
        """Nothing changes but tokens that were renewed already: the former refresh token may be good only once."""
        tokens = _renewed.get()
        if tokens is None:
            return True
        known = await user.get_auth_state()
        renewed = self.build_auth_state_dict(tokens, known.get(self.user_auth_state_key))
        groups = {"groups": None} if self.manage_groups else {}
        return {"name": user.name, "admin": None, "auth_state": known | renewed} | groups

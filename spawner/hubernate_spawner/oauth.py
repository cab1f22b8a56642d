"""Login by an identity provider; its groups are the tenants' members."""

from typing import Any

from oauthenticator.generic import GenericOAuthenticator
from tornado import web
from tornado.httpclient import HTTPError as ProviderError
from traitlets import Bool, Integer, Unicode

from hubernate_core.errors import HubernateError, InvalidInput, shorten
from hubernate_core.sign_on import read_groups

from .accounts import OneSpelling
from .client import ServiceClient


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

    async def refresh_user(self, user: Any, handler: Any = None, **options: Any) -> Any:
        """What the provider says now; True, and so what is known, while it does not answer or says nothing usable."""
        try:
            return await super().refresh_user(user, handler, **options)
        except (ProviderError, OSError, web.HTTPError) as problem:
            self.log.warning(
                "the identity provider said nothing usable; keeping what is known of %s: %s",
                shorten(user.name, 60), shorten(str(problem), 200),
            )  # fmt: skip
            return True

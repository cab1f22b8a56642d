"""Login by an identity provider; its groups are the tenants."""

from oauthenticator.generic import GenericOAuthenticator

from .accounts import OneSpelling


class TenantOAuthenticator(OneSpelling, GenericOAuthenticator):  # type: ignore[misc]
    """oauthenticator's generic one with one spelling of names."""

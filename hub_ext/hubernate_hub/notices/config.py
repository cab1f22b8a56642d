"""Settings of what is told outside: ``c.Notices.…`` beside ``c.HubernateService.…``."""

from pathlib import Path

from traitlets import Enum, Float, Integer, List, Unicode
from traitlets.config import Configurable

from hubernate_core.errors import InvalidInput
from hubernate_core.source_network import Opening, parse_opening


class Notices(Configurable):  # type: ignore[misc]  # traitlets is not typed
    """Webhooks and mail when a scheduled job fails, and when it succeeds again. For webhooks
    `c.DataGateway.ca_file` is trusted beside what this machine trusts."""

    open_networks = List(
        Unicode(),
        [],
        help="Networks inside of which webhooks may be, written as `c.DataGateway.open_networks`; only there may one be"
        " called without encryption. Default none: webhooks are at public addresses. Every member of a team may have"
        " something sent there, so open single addresses with their port.",
    ).tag(config=True)

    smtp_host = Unicode(help="Mail server. Default empty: no mail is sent, and none can be asked for.").tag(config=True)
    smtp_port = Integer(587, min=1, max=65535, help="Its port. Default 587.").tag(config=True)
    smtp_security = Enum(
        ("starttls", "tls", "none"), "starttls", help="How the connection is encrypted. Default 'starttls'."
    ).tag(config=True)
    smtp_user = Unicode(help="User at the mail server. Default empty: none is named.").tag(config=True)
    smtp_password_file = Unicode(help="File with that user's password. Read at every mail.").tag(config=True)
    mail_from = Unicode("hubernate@localhost", help="Sender's address. Default hubernate@localhost.").tag(config=True)
    mail_domains = List(
        Unicode(),
        [],
        help="Domains to which mail goes, such as 'example.org'. Default none, so that no stranger is written to.",
    ).tag(config=True)
    timeout_s = Float(10, min=0.1, help="Seconds for one webhook call or mail. Default 10.").tag(config=True)
    tries = Integer(
        6,
        min=1,
        help="How often it is tried before it is given up; a minute passes after the first, then twice as long each"
        " time. Default 6: half an hour.",
    ).tag(config=True)

    def openings(self) -> tuple[Opening, ...]:
        """What `open_networks` opens.

        Raises:
            InvalidInput: it makes no sense.
        """
        return tuple(parse_opening(each, "c.Notices.open_networks") for each in self.open_networks)

    def check(self, addresses: tuple[str, ...]) -> None:
        """Refuse addresses to which no mail goes.

        Raises:
            InvalidInput: there is no mail server, or an address is of another domain.
        """
        if addresses and not self.smtp_host:
            raise InvalidInput("notify.mail", "this platform sends no mail; use a webhook, or ask an admin")
        for address in addresses:
            if address.rpartition("@")[2].lower() not in {each.lower() for each in self.mail_domains}:
                allowed = ", ".join(self.mail_domains) or "no domain"
                raise InvalidInput("notify.mail", f"{address!r}: mail goes to {allowed} only")

    def password(self) -> str:
        """Of `smtp_user`.

        Raises:
            OSError: the file cannot be read.
        """
        return Path(self.smtp_password_file).read_text().strip() if self.smtp_password_file else ""

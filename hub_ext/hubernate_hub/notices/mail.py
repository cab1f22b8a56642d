"""One mail by the platform's mail server."""

import smtplib
import ssl
from email.message import EmailMessage

from hubernate_core.errors import Unavailable

from .config import Notices


def message(settings: Notices, to: str, content: dict[str, str]) -> EmailMessage:
    """The mail that tells `content`. A line break in a header is refused by the library."""
    mail = EmailMessage()
    failed = content["event"] == "failure"
    label = " ".join(content["label"].split())
    mail["Subject"] = f"{label}: {'a scheduled run failed' if failed else 'scheduled runs succeed again'}"
    mail["From"], mail["To"] = settings.mail_from, to
    lines = [f"Schedule {label} ({content['schedule']}) of {content['user']} in team {content['tenant']}."]
    lines += [f"Planned for {content['planned_at']}; job {content['job'] or 'not begun'}."]
    lines += [f"Why: {content['why']}"] if content["why"] else []
    mail.set_content("\n".join(lines) + "\n")
    return mail


def send(settings: Notices, mail: EmailMessage) -> None:
    """Hand it to the mail server; blocks.

    Raises:
        Unavailable: the server did not take it.
    """
    trust = ssl.create_default_context()
    try:
        password = settings.password()
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s, context=trust
            )
        else:
            server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=trust)
            if settings.smtp_user:
                server.login(settings.smtp_user, password)
            server.send_message(mail)
    except (OSError, smtplib.SMTPException) as problem:
        raise Unavailable(f"the mail server did not take it ({type(problem).__name__})") from problem

"""The channels that the service's settings ask for."""

from __future__ import annotations

import shlex

from monitor.alerts.channels.command import Command
from monitor.alerts.channels.event import Channel
from monitor.alerts.channels.mail import PORTS, Mail
from monitor.alerts.channels.slack import Slack
from monitor.alerts.channels.webhook import Webhook
from monitor.errors import Misuse
from monitor.settings import Settings

#: What must be set for each channel.
NEEDED = {
    "webhook": "GANWATCH_WEBHOOK_URL",
    "slack": "GANWATCH_SLACK_URL",
    "email": "GANWATCH_EMAIL_TO and GANWATCH_SMTP_HOST",
    "command": "GANWATCH_ALERT_COMMAND",
}


def channels_from(settings: Settings) -> dict[str, Channel]:
    """By name; none where nothing is set. :class:`Misuse` says what is set halfway."""
    public_url = settings.public_url
    channels: dict[str, Channel] = {}
    if settings.webhook_url:
        channels["webhook"] = Webhook(
            settings.webhook_url,
            settings.webhook_secret,
            settings.webhook_allow_private,
            public_url=public_url,
        )
    if settings.slack_url:
        channels["slack"] = Slack(settings.slack_url, settings.slack_allow_private, public_url=public_url)
    if settings.email_to:
        channels["email"] = _mail(settings)
    if settings.alert_command:
        channels["command"] = _command(settings)
    return channels


def why_missing(name: str) -> str:
    """What to say of a channel that :func:`channels_from` does not give."""
    if name in NEEDED:
        return f"the channel {name} is not configured: set {NEEDED[name]}"
    return f"there is no channel {name!r}; there are {', '.join(NEEDED)}"


def _mail(settings: Settings) -> Mail:
    if not settings.smtp_host:
        raise Misuse("GANWATCH_EMAIL_TO needs a mail server: set GANWATCH_SMTP_HOST")
    for name, addresses in (("EMAIL_TO", settings.email_to), ("EMAIL_FROM", [settings.email_from])):
        for address in addresses:
            if not address.isprintable() or "@" not in address:
                raise Misuse(f"GANWATCH_{name}: {address!r} is no address such as ada@example.org")
    password = settings.smtp_secret()
    if settings.smtp_user and not password:
        raise Misuse("GANWATCH_SMTP_USER needs GANWATCH_SMTP_PASSWORD or GANWATCH_SMTP_PASSWORD_FILE")
    if settings.smtp_user and settings.smtp_security == "none":
        raise Misuse("GANWATCH_SMTP_SECURITY=none would send the password in the open: use starttls or tls")
    return Mail(
        host=settings.smtp_host,
        port=settings.smtp_port or PORTS[settings.smtp_security],
        security=settings.smtp_security,
        sender=settings.email_from,
        recipients=tuple(settings.email_to),
        user=settings.smtp_user,
        password=password,
        public_url=settings.public_url,
    )


def _command(settings: Settings) -> Command:
    try:
        arguments = tuple(shlex.split(settings.alert_command))
    except ValueError as error:
        raise Misuse(f"GANWATCH_ALERT_COMMAND: {error}; quote it as for a shell") from None
    return Command(arguments, public_url=settings.public_url)

"""What can be set, from the environment (``GANWATCH_PORT=9000``) or the command line, and the token."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.errors import Misuse

EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - only told apart here
EXAMPLE_URL = "postgresql://ganwatch@host/ganwatch"
_TOKEN = re.compile(r"[\x21-\x7e]{8,512}")


def _split_commas(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every field is read from ``GANWATCH_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="GANWATCH_", env_ignore_empty=True, frozen=True)

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; other than loopback needs an explicit token."
    )
    port: int = Field(default=8765, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data_dir: Path = Field(
        default=Path(".ganwatch"), description="Where the SQLite database and the token lie."
    )
    database: str = Field(
        default="",
        description="SQLAlchemy URL of the database; empty is `ganwatch.db` in the data directory.",
    )
    database_password_file: Path | None = Field(
        default=None, description="File with the password that belongs into the database's URL."
    )
    token: str = Field(
        default="", description="The access token; empty is a random one, kept in the data directory."
    )
    token_file: Path | None = Field(default=None, description="File to read the access token from.")
    allowed_hosts: Annotated[list[str], NoDecode, BeforeValidator(_split_commas)] = Field(
        default=[],
        description="Further host names, comma-separated, under which the service may be addressed.",
    )
    proxies: str = Field(
        default="",
        description="Addresses of reverse proxies, comma-separated, whose X-Forwarded headers are believed.",
    )
    public_url: str = Field(
        default="", description="Address of the service as others see it, for the links in notifications."
    )
    lost_after: float = Field(
        default=60.0,
        gt=0,
        description="Seconds of silence after which a run is shown as lost, and a job taken from its worker.",
    )
    keep_days: float = Field(
        default=0.0,
        ge=0,
        description="Days of silence after which a run is deleted, but for those tagged `keep`; 0 keeps all.",
    )
    keep_bytes: int = Field(
        default=0,
        ge=0,
        description="Bytes of points and images beyond which the oldest such runs are deleted; 0 keeps all.",
    )
    max_body: int = Field(default=32 * 2**20, ge=1024, description="Largest request body, in bytes.")
    body_timeout: float = Field(default=60.0, gt=0, description="Seconds a request body may take to arrive.")
    max_pixels: int = Field(default=2**24, ge=1, description="Largest image, in pixels.")
    webhook_url: str = Field(
        default="", repr=False, description="Where alerts are sent as JSON; empty sends none."
    )
    webhook_secret: str = Field(
        default="", repr=False, description="Key of the HMAC-SHA256 that signs what the webhook receives."
    )
    webhook_allow_private: bool = Field(
        default=False, description="Allow a webhook at a private or loopback address."
    )
    slack_url: str = Field(
        default="",
        repr=False,
        description="Incoming webhook of Slack, or of what takes the same; alerts are sent there.",
    )
    slack_allow_private: bool = Field(
        default=False, description="Allow such a webhook at a private or loopback address."
    )
    email_to: Annotated[list[str], NoDecode, BeforeValidator(_split_commas)] = Field(
        default=[], description="Addresses, comma-separated, that alerts are mailed to."
    )
    email_from: str = Field(default="ganwatch@localhost", description="Address that alerts are mailed from.")
    smtp_host: str = Field(default="", description="Server that takes the mail.")
    smtp_port: int = Field(
        default=0, ge=0, le=65535, description="Its port; 0 is 587, with `tls` 465, with `none` 25."
    )
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the mail goes there: over `starttls`, `tls`, or `none`.",
    )
    smtp_user: str = Field(default="", description="User to log in as there; empty logs in as nobody.")
    smtp_password: str = Field(default="", repr=False, description="That user's password.")
    smtp_password_file: Path | None = Field(default=None, description="File with that password.")
    alert_command: str = Field(
        default="",
        repr=False,
        description="Command, run by no shell, that gets each alert as JSON on its standard input.",
    )
    rules: Path | None = Field(
        default=None,
        description="File with rules, in TOML; one of a default's name takes its place.",
    )

    @property
    def database_url(self) -> str:
        if not self.database:
            path = (self.data_dir / "ganwatch.db").absolute()
            return str(URL.create("sqlite", database=str(path)))
        try:
            url = make_url(self.database)
        except ArgumentError:
            # It is not repeated: it may hold a password.
            raise Misuse(f"GANWATCH_DATABASE is not a database URL such as {EXAMPLE_URL}") from None
        if self.database_password_file:
            url = url.set(password=_read_secret(self.database_password_file, "database_password_file"))
        return url.render_as_string(hide_password=False)

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def access_token(self) -> str:
        """The token set, the one in the token's file, or a random one that stays the same after a restart."""
        if self.token:
            return check_token(self.token, "GANWATCH_TOKEN")
        if self.token_file:
            return check_token(_read_secret(self.token_file, "token_file"), str(self.token_file))
        if not self.is_loopback:
            raise Misuse(
                f"listening on {self.host} lets others in: set GANWATCH_TOKEN or GANWATCH_TOKEN_FILE, "
                "or stay on 127.0.0.1"
            )
        return _kept_token(self.data_dir / "token")

    def smtp_secret(self) -> str:
        """The password set, or the one in its file."""
        if self.smtp_password or self.smtp_password_file is None:
            return self.smtp_password
        return _read_secret(self.smtp_password_file, "smtp_password_file")

    def prepare_data_dir(self) -> None:
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misuse(
                f"cannot use the data directory {self.data_dir} ({error.strerror}); "
                "choose another with --data-dir"
            ) from None


def link(settings: Settings, port: int | None = None) -> str:
    """The address of the page with the token in it."""
    return f"{base_url(settings, port)}/?token={quote(settings.access_token(), safe='')}"


def base_url(settings: Settings, port: int | None = None) -> str:
    if settings.public_url:
        return settings.public_url.rstrip("/")
    if port is None and not settings.model_fields_set & {"host", "port"} and (noted := _noted(settings)):
        return noted
    host = "127.0.0.1" if settings.host in EVERY_ADDRESS else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{port or settings.port}"


def note_address(settings: Settings, port: int) -> None:
    """Where the service listens now, for commands that are not told another port than usual."""
    with suppress(OSError):
        (settings.data_dir / "address").write_text(base_url(settings, port), encoding="utf-8")


def _noted(settings: Settings) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return (settings.data_dir / "address").read_text(encoding="utf-8").strip()
    return ""


def load_settings(**given: Any) -> Settings:
    """Settings from the environment, with what was given in place of it; the first mistake in one line."""
    given = {name: value for name, value in given.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"])
        source = f"--{name.replace('_', '-')}" if name in given else f"GANWATCH_{name.upper()}"
        raise Misuse(f"{source}: {first['msg']}, not {first['input']!r}") from None


def _kept_token(path: Path) -> str:
    if path.exists():
        return check_token(_read_secret(path, "token"), str(path))
    # Written whole under another name: whoever is killed, or comes second, never leaves or finds a part.
    beside = path.with_name(f"token.{secrets.token_hex(8)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(beside, path)
    except OSError as error:
        raise Misuse(f"cannot keep the token in {path}: {error.strerror}") from None
    finally:
        with suppress(OSError):
            beside.unlink()
    return check_token(_read_secret(path, "token"), str(path))


def _read_secret(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"cannot read {name} {path}: {error}") from None


def check_token(token: str, source: str) -> str:
    """The token, if a header can carry it."""
    if not _TOKEN.fullmatch(token):
        raise Misuse(
            f"the token in {source} must be 8 to 512 printable ASCII characters without spaces, "
            f"not {len(token)} characters{'' if token else '; delete the file to get a new one'}"
        )
    return token

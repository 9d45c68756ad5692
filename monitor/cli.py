"""``ganwatch`` on the command line. What only the service needs is imported where the service is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import tyro

from monitor.client.typed_numbers import NUMBERS
from monitor.commands.options import DatabaseUrl, DataDir, Host, Port, Server, Token, option
from monitor.errors import Misuse


def _has_desktop() -> bool:
    has_screen = sys.platform in {"darwin", "win32"} or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return sys.stdout.isatty() and has_screen and "SSH_CONNECTION" not in os.environ


def serve(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    open: Annotated[bool, tyro.conf.arg(help="Open the page in a browser.")] = _has_desktop(),  # noqa: A002
) -> None:
    """Start the service and print the link to its page."""
    import gc  # noqa: PLC0415
    import webbrowser  # noqa: PLC0415

    # What is loaded stays: looking for garbage in it takes a tenth of the start, and a pause now and then.
    gc.disable()
    from monitor import server  # noqa: PLC0415
    from monitor.app import create_app  # noqa: PLC0415
    from monitor.settings import link, load_settings, note_address  # noqa: PLC0415

    settings = load_settings(host=host, port=port, data_dir=data_dir, database=database)
    app = create_app(settings)
    store = app.state.service.database
    with store.served_alone():
        store.migrate()
        gc.freeze()
        gc.enable()
        with server.listen(settings) as listener:
            note_address(settings, listener.getsockname()[1])
            address = link(settings, listener.getsockname()[1])

            def tell() -> None:
                print(f"ganwatch is at {address}", flush=True)
                if open:
                    webbrowser.open(address)

            server.Server(app, settings, when_ready=tell).run(sockets=[listener])


def sync(
    directory: Annotated[
        Path | None, option("DIR", "Where the runs were logged (default GANWATCH_DIR or .ganwatch).")
    ] = None,
    server: Server = None,
    token: Token = None,
) -> None:
    """Deliver what training processes logged and could not send."""
    from monitor.commands.sync import deliver  # noqa: PLC0415

    directory = directory or Path(os.environ.get("GANWATCH_DIR") or ".ganwatch")
    if not deliver(directory, server, token, print):
        sys.exit(1)


def import_logs(  # noqa: PLR0917 - tyro makes an option of each
    paths: Annotated[
        tuple[Path, ...],
        tyro.conf.Positional,
        tyro.conf.arg(help="Logs, or folders of logs.", help_behavior_hint=""),
    ],
    project: Annotated[
        str | None, option("PROJECT", "The runs' project (default: the log's own, or imported).")
    ] = None,
    id: Annotated[str | None, option("ID", "The run's id, where there is one log.")] = None,  # noqa: A002
    format: Annotated[  # noqa: A002
        Literal["tensorboard", "wandb", "chainer", "jsonl", "progan", "csv"] | None,
        option(None, "Read the files as this, whatever they look like."),
    ] = None,
    server: Server = None,
    token: Token = None,
) -> None:
    """Bring in what other trackers wrote: TensorBoard, W&B offline, Chainer, JSON lines, CSV, ProGAN, RGAN.

    Importing a log again adds what is new of it and doubles nothing.
    """
    from monitor.client.address import needed_address  # noqa: PLC0415
    from monitor.client.transport import HttpTransport  # noqa: PLC0415
    from monitor.interop.importing import import_all  # noqa: PLC0415

    transport = HttpTransport(needed_address(server, token))
    try:
        is_complete = import_all(paths, transport, print, project=project, run=id, format_name=format)
    finally:
        transport.close()
    if not is_complete:
        sys.exit(1)


def token(data_dir: DataDir = None) -> None:
    """Print the link to the page, token included."""
    from monitor.settings import link, load_settings  # noqa: PLC0415

    print(link(load_settings(data_dir=data_dir)))


def migrate(data_dir: DataDir = None, database: DatabaseUrl = None) -> None:
    """Bring the database up to date without starting the service."""
    from monitor.commands import store  # noqa: PLC0415
    from monitor.settings import load_settings  # noqa: PLC0415

    store.migrate(load_settings(data_dir=data_dir, database=database), print)


def copy(
    source: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FROM", help="URL or SQLite file.")],
    target: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="TO", help="URL or SQLite file; empty or new.")
    ],
) -> None:
    """Copy a whole store into another one, such as from SQLite to PostgreSQL. The source may be in use."""
    from monitor.commands import store  # noqa: PLC0415

    store.copy(source, target, print)


def backup(
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="The file to make; it must not exist.")],
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Write the SQLite store as it is now into one file, while the service runs.

    To restore it, stop the service and put the file in the place of ganwatch.db, without -wal and -shm.
    """
    from monitor.commands import store  # noqa: PLC0415
    from monitor.settings import load_settings  # noqa: PLC0415

    store.backup(load_settings(data_dir=data_dir, database=database), file, print)


def doctor(
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
    directory: Annotated[
        Path | None, option("DIR", "Where runs are logged (default GANWATCH_DIR or .ganwatch).")
    ] = None,
) -> None:
    """Say what is wrong with the installation, the service, the store and the spool, and what helps.

    Changes nothing. Ends with 1 where something is wrong.
    """
    from monitor.doctor.examining import examine_all  # noqa: PLC0415

    directory = directory or Path(os.environ.get("GANWATCH_DIR") or ".ganwatch")
    is_well = True
    for finding in examine_all(directory, data_dir, database):
        print(finding, flush=True)
        is_well &= finding.verdict != "wrong"
    if not is_well:
        sys.exit(1)


def retention(
    keep_days: Annotated[
        float | None, option("DAYS", "Delete what is silent for longer (default GANWATCH_KEEP_DAYS).")
    ] = None,
    keep_bytes: Annotated[
        int | None, option("BYTES", "Delete the oldest beyond this (default GANWATCH_KEEP_BYTES).")
    ] = None,
    dry_run: Annotated[bool, tyro.conf.arg(help="Only say what would be deleted.")] = False,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Delete the runs that are not kept: none that is running or has the tag `keep`."""
    from monitor.commands import store  # noqa: PLC0415
    from monitor.settings import load_settings  # noqa: PLC0415

    settings = load_settings(data_dir=data_dir, database=database, keep_days=keep_days, keep_bytes=keep_bytes)
    store.retention(settings, print, dry_run=dry_run)


def detect(  # noqa: PLR0917 - tyro makes an option of each
    source: Annotated[
        str,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN|FILE", help="A stored run's id, or a log or .npz trace."),
    ],
    offline: Annotated[
        bool, tyro.conf.arg(help="Look ahead, too: dates each turning point exactly.")
    ] = False,
    role: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(
            help="Which series of a log is what, such as Q=eval/score. Most names are recognized.",
            metavar="ROLE=SERIES",
            help_behavior_hint="",
        ),
    ] = (),
    modes: Annotated[int | None, option("M", "How many modes the judge of a log tells apart.")] = None,
    attempt: Annotated[int | None, option("NUMBER", "Of a run: the attempt (default: the newest).")] = None,
    data_dir: DataDir = None,
    database: DatabaseUrl = None,
) -> None:
    """Say where a stored run or a log of another tracker turned, as the detector says it live."""
    from monitor.commands import detect as command  # noqa: PLC0415

    is_file = Path(source).exists()
    rows, meta = (
        command.records_of_file(Path(source), role, modes)
        if is_file
        else command.records_of_run(source, attempt, data_dir, database)
    )
    command.tell(rows, meta, print, offline=offline)


def rules(
    action: Annotated[Literal["test", "check"], tyro.conf.Positional],
    file: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RULES.toml", help="The rules.")],
    source: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(metavar="RUN|FILE", help="A run's id, or a log to be read.", help_behavior_hint=""),
    ] = None,
    server: Server = None,
    token: Token = None,
) -> None:
    """Say what rules would have said of a run or a log, or only whether they are sound."""
    from monitor.commands import rules as command  # noqa: PLC0415

    if action == "check":
        command.check(file, print)
    elif source is None:
        raise Misuse(f"on what? ganwatch rules test {file} RUN, or a log file in its place")
    else:
        command.test(file, source, server, token, print)


def alerts(
    action: Annotated[Literal["test"], tyro.conf.Positional],  # noqa: ARG001 - the only one there is
    channel: Annotated[
        str, tyro.conf.Positional, tyro.conf.arg(metavar="CHANNEL", help="webhook, slack, email or command.")
    ],
) -> None:
    """Send a test message to a channel, by the settings of the environment."""
    from monitor.commands import alerts as command  # noqa: PLC0415

    command.test(channel)
    print(f"the channel {channel} took the message")


COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve,
    "sync": sync,
    "import": import_logs,
    "copy": copy,
    "backup": backup,
    "doctor": doctor,
    "token": token,
    "migrate": migrate,
    "retention": retention,
    "detect": detect,
    "rules": rules,
    "alerts": alerts,
}


def main() -> None:
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="ganwatch",
            registry=NUMBERS,
            description="Watches GAN training as it happens.",
        )
    except Misuse as misuse:
        print(f"ganwatch: {misuse}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # who read has had enough, as `head` has
        # Or Python complains at its end of what is still held.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # what a shell makes of SIGPIPE
    except ModuleNotFoundError as error:
        print(
            f"ganwatch: {error.name} is not installed; the service needs: pip install 'ganwatch[server]'",
            file=sys.stderr,
        )
        sys.exit(2)


if __name__ == "__main__":
    main()

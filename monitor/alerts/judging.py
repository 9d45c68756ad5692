"""What the server's background thread calls: judge a run, and deliver what waits.

    judge_run(db: Database, run_id: str, now: float, channels: Sequence[str] = ()) -> frozenset[str]

Call it after each batch of the run, after its state changed (lost, finished, failed) and once at the start for every
run that is not archived. ``channels`` are the names of the configured channels, ``channel_names(settings)``; every
transition that notifies writes one outbox row for each of them. The answer is what changed, for the server-sent events:
``frozenset({"alerts"})`` or nothing; the run's ``version`` is raised in the same transaction when something did.
It is idempotent: everything that it decides commits at once, so a kill at any point repeats work and neither loses nor
doubles an alert. It never talks to the network. One call takes milliseconds; the calls for one run must not overlap
(one background thread is enough; on PostgreSQL the run's row is locked for the transaction).

    deliver_due(db: Database, channels: Mapping[str, Channel], now: float) -> float | None

Sends what is due, outside of every transaction, and books each outcome in a transaction of its own. It may take as long
as the receivers do (``timeout`` seconds each), so it runs in a thread of its own. The answer is the time at which the
next delivery falls due, or None where nothing waits: sleep until then or until ``judge_run`` returned "alerts".

    channels_from(webhook_url: str | None, webhook_secret: str | None, allow_private: bool, timeout: float = 5.0,
                  public_url: str = "") -> dict[str, Channel]        # in monitor.alerts.channels
"""

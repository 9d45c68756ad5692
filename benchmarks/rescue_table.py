"""What came of the collapses of ``rescue.py``, as a table."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from monitor.detection.records import Record
from monitor.detection.turning_point import TurningPointDetector

#: Records of a level, and the share of it that is health.
LEVEL, HEALTH = 10, 0.95


def levels(records: Sequence[Record], name: str) -> list[float]:
    """The median of each ``LEVEL`` records in a row."""
    values = [record[name] for record in records]
    return [statistics.median(values[i : i + LEVEL]) for i in range(max(len(values) - LEVEL + 1, 1))]


def shares(collapse: Mapping[str, Any], records: Sequence[Record]) -> dict[str, float]:
    """The last level of Q and of D, as shares of the best before the onset."""
    before = collapse["records"][: collapse["onset"]]
    return {name: levels(records, name)[-1] / max(levels(before, name)) for name in ("Q", "D")}


def turned_again(collapse: Mapping[str, Any], records: Sequence[Record]) -> bool:
    """Whether the detector, which read what came before and knows of the remedy, raised another alert."""
    detector = TurningPointDetector({"ln_m": math.log(10), "n_eval": 1000})
    for record in collapse["records"][: collapse["back_to"]]:
        detector.update(record)
    alerts = [detector.update(record | {"intervention": float(i == 0)}) for i, record in enumerate(records)]
    return any(alert is not None and alert["state"] == "firing" for alert in alerts)


def wilson(healed: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    z = 1.959964
    middle, spread = (
        healed / n + z * z / (2 * n),
        z * math.sqrt(healed * (n - healed) / n**3 + z * z / (4 * n * n)),
    )
    return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def print_table(results: Sequence[Mapping[str, Any]], arms: Sequence[str], after: int) -> None:
    collapses = {found["candidate"]: found for found in results if found.get("turned")}
    tried = sum(found["arm"] == "untreated" for found in results)
    print(
        f"{len(collapses)} of {tried} candidates turned; {after} epochs after the alert or after going back"
    )
    for key, found in collapses.items():
        print(
            f"  {key:<12} onset {found['onset'] + 1:>3}, alert {found['alert'] + 1:>3}, back to "
            f"{found['back_to']:>3}"
        )
    print(
        f"\n{'':<14}{'healed':>10}{'95 % interval':>16}{'again':>8}{'Q':>7}{'D':>7}   (medians of the shares)"
    )
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for found in results:
        if found["candidate"] in collapses:
            groups[found["arm"]].append(found)
    for arm in arms:
        if not groups[arm]:
            continue
        compared = [
            (
                collapses[found["candidate"]],
                after_the_alert(found) if arm == "untreated" else found["records"],
            )
            for found in groups[arm]
        ]
        reached = [shares(collapse, records) for collapse, records in compared]
        healed = sum(min(share.values()) >= HEALTH for share in reached)
        again = "" if arm == "untreated" else str(sum(turned_again(*pair) for pair in compared))
        low, high = wilson(healed, len(reached))
        print(
            f"{arm:<14}{f'{healed} of {len(reached)}':>10}{f'{low:.2f} to {high:.2f}':>16}{again:>8}"
            f"{statistics.median(share['Q'] for share in reached):>7.2f}"
            f"{statistics.median(share['D'] for share in reached):>7.2f}"
        )


def after_the_alert(untreated: Mapping[str, Any]) -> list[Record]:
    records: list[Record] = untreated["records"][untreated["alert"] + 1 :]
    return records

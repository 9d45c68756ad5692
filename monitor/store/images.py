"""Image grids: the bytes once per digest, and where in the run each was shown."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, exists, select, update

from monitor.store.database import Database, insert_into
from monitor.store.lineage import find_lineage, shown_by
from monitor.store.plain import plain_text
from monitor.store.schema import Blob, Image, Run


class Claim(NamedTuple):
    """An image of a run."""

    run: str
    digest: str


class StoredImage(NamedTuple):
    media_type: str
    data: bytes


def put_image(
    db: Database, run_id: str, digest: str, *, media_type: str, width: int, height: int, data: bytes
) -> bool:
    """Keep the bytes (re-encoded) under the digest of what was uploaded; False where they were there."""
    with db.write() as c:
        row = {
            "run_id": run_id,
            "digest": digest,
            "media_type": media_type,
            "width": width,
            "height": height,
            "data": data,
        }
        insert = insert_into(c, Blob).values(row).on_conflict_do_nothing().returning(Blob.digest)
        is_new = c.execute(insert).first() is not None
        if is_new:
            c.execute(update(Run).where(Run.id == run_id).values(version=Run.version + 1))
        return is_new


def get_image(c: Connection, run_id: str, digest: str) -> StoredImage | None:
    row = c.execute(
        select(Blob.media_type, Blob.data).where(Blob.run_id == run_id, Blob.digest == digest)
    ).first()
    return None if row is None else StoredImage(row.media_type, row.data)


def list_images(
    c: Connection, run_id: str, name: str | None = None, attempt: int | None = None
) -> list[dict[str, Any]]:
    """The grids of an attempt's lineage (default: the newest), ascending by step."""
    shown = shown_by(find_lineage(c, run_id, attempt), Image.attempt, Image.step)
    query = (
        select(
            Image.name,
            Image.step,
            Image.mark,
            Image.digest,
            Blob.width,
            Blob.height,
            Image.caption,
            Image.rows,
            Image.columns,
            Image.scores,
            Image.time,
            Image.attempt,
        )
        .outerjoin(Blob, and_(Blob.run_id == Image.run_id, Blob.digest == Image.digest))
        .where(Image.run_id == run_id, shown)
        .order_by(Image.step, Image.attempt, Image.writer, Image.sequence)
    )
    if name is not None:
        query = query.where(Image.name == plain_text(name))
    return [dict(row._mapping) for row in c.execute(query)]


def drop_unclaimed(db: Database, suspected: frozenset[Claim]) -> frozenset[Claim]:
    """Delete the suspected images that still no record names; answer with those to suspect next.

    An image is uploaded before the batch that names it, and maybe before its run has begun.
    """
    with db.read() as c:
        stored, named = select(Blob.run_id, Blob.digest), select(Image.run_id, Image.digest)
        found = frozenset(Claim(*row) for row in c.execute(stored.except_(named)))
    is_named = exists().where(Image.run_id == Blob.run_id, Image.digest == Blob.digest)
    for run_id, digest in found & suspected:
        with db.write() as c:
            c.execute(delete(Blob).where(Blob.run_id == run_id, Blob.digest == digest, ~is_named))
    return found - suspected

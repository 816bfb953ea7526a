"""Embeddings in ``cache.db``: features of pictures that taggers give beside their scores.

One blob for each tagger and content: a float16 for each number, little-endian. They compare
pictures that the same tagger has seen: two are alike if the angle between them is small. Those of
different taggers have nothing in common.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.dataset.values.score_blobs import Halves
from prep.dataset.writer import batches

_NUMBER = np.dtype("<f2")
_LARGEST = float(np.finfo(np.float16).max)


def halves(vectors: Sequence[NDArray[np.floating[Any]]]) -> Halves:
    """Return embeddings as stored; shape (vectors, any). What is too large becomes the largest."""
    if not len(vectors):
        return np.empty((0, 0), np.float16)
    return np.clip(np.stack(vectors), -_LARGEST, _LARGEST).astype(np.float16)


class Embeddings:
    """The embeddings of one tagger."""

    def __init__(self, connection: sqlite3.Connection, tagger: int) -> None:
        """Open them.

        Args:
            connection: Connection to the cache.
            tagger: Its number; see ``score_blobs.tagger_id``.
        """
        self._connection, self._tagger = connection, tagger

    def contents(self) -> set[str]:
        """Return the contents that have an embedding."""
        rows = self._connection.execute(
            "SELECT content FROM embeddings WHERE tagger = ?", (self._tagger,)
        )
        return {content for (content,) in rows}

    def put(self, contents: Sequence[str], vectors: Sequence[NDArray[np.floating[Any]]]) -> None:
        """Store embeddings of contents, in one transaction."""
        blobs = (row.astype(_NUMBER).tobytes() for row in halves(vectors))
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO embeddings(tagger, content, data) VALUES(?, ?, ?)",
                ((self._tagger, *item) for item in zip(contents, blobs, strict=True)),
            )

    def load(self, contents: Iterable[str]) -> tuple[list[str], NDArray[np.float32]]:
        """Return the contents that have an embedding, in their order, and their unit vectors.

        Args:
            contents: Hashes of contents; repeats are allowed.

        Returns:
            Those contents, and an array of shape (contents, numbers), each row of length 1, so that
            the product of two rows is the cosine of their angle. A row of zeros stays so.
        """
        wanted = list(contents)
        found = dict(self._rows(wanted))
        known = [content for content in wanted if content in found]
        if not known:
            return [], np.empty((0, 0), np.float32)
        flat = np.frombuffer(b"".join(found[content] for content in known), _NUMBER)
        vectors = flat.reshape(len(known), -1).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        lengths[lengths == 0] = 1
        return known, vectors / lengths

    def _rows(self, contents: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        for part in batches(dict.fromkeys(contents)):
            yield from self._connection.execute(
                """SELECT content, data FROM embeddings WHERE tagger = ?
                AND content IN (SELECT value FROM json_each(?))""",
                (self._tagger, json.dumps(part)),
            )

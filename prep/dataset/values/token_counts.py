"""Tokens of captions, counted once per text and stored in ``cache.db``."""

import sqlite3

from prep.captions.shuffle import first_line
from prep.captions.tokens import clip_tokenizer


def ensure_counts(connection: sqlite3.Connection) -> None:
    """Bring table ``tokens`` of ``cache.db`` up to date: hash of a caption -> its tokens.

    Hashes are those of the index (``images.caption_hash``); only the first line is counted, as
    trainers read it. Only captions without a count are processed: 20 us each.
    """
    tokenizer = clip_tokenizer()
    missing = connection.execute(
        """SELECT caption_hash, caption FROM images WHERE caption_hash IS NOT NULL
        AND caption IS NOT NULL AND caption_hash NOT IN (SELECT text_hash FROM tokens)"""
    )
    counted = {name: tokenizer.count(first_line(text)) for name, text in missing}
    if counted:
        with connection:
            connection.executemany("INSERT OR REPLACE INTO tokens VALUES(?, ?)", counted.items())

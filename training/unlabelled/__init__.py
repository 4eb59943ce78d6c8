"""Images without labels, wherever they lie: folders, lists, WebDataset shards, bags and videos.

``list_images`` finds them one after the other, ``WorkList`` keeps where they are on disk in chunks, ``ImageReader``
reads them, ``ContentHashes`` tells what was seen already. None of them holds a list of all images in memory.
"""

from __future__ import annotations

from .duplicates import ContentHashes
from .inputs import list_images
from .reader import ImageReader
from .references import ImageReference, WorkList

__all__ = ["ContentHashes", "ImageReader", "ImageReference", "WorkList", "list_images"]

"""The list of images on disk, and its chunks."""

from __future__ import annotations

from pathlib import Path

import pytest

from depth_anything_ros.errors import SourceError
from training.unlabelled import ImageReference, WorkList


def references(count: int) -> list[ImageReference]:
    kinds = (
        ImageReference("a/ä.jpg"),
        ImageReference("b.tar", "x/y.png", 512, 99),
        ImageReference("c.mcap", frame=0, topic="/left/image"),
    )
    return [kinds[number % 3] for number in range(count)]


@pytest.mark.parametrize("count", [1, 5, 10, 11])
def test_chunks_hold_every_image_once_in_order(tmp_path: Path, count: int) -> None:
    work = WorkList.write(tmp_path, iter(references(count)), chunk_images=5)
    assert len(work) == -(-count // 5)
    assert [item for number in range(len(work)) for item in work.chunk(number)] == references(count)
    assert [work.size(number) for number in range(len(work))] == [len(work.chunk(n)) for n in range(len(work))]
    assert WorkList(tmp_path).chunk(len(work) - 1) == work.chunk(len(work) - 1)


def test_names_that_are_not_utf8_survive(tmp_path: Path) -> None:
    odd = ImageReference(b"a/\xff\xfe.jpg".decode("utf-8", "surrogateescape"))
    assert WorkList.write(tmp_path, [odd], chunk_images=5).chunk(0) == [odd]


def test_a_list_that_was_cut_off_is_no_list(tmp_path: Path) -> None:
    def cut_off():  # type: ignore[no-untyped-def]
        yield from references(7)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        WorkList.write(tmp_path, cut_off(), chunk_images=5)
    assert not WorkList.is_written(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"), [("{}", "not an index"), ("nonsense", "not an index"), ('{"format_version": 9}', "format 9")]
)
def test_an_index_of_another_kind_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "images.json").write_text(text)
    with pytest.raises(SourceError, match=words):
        WorkList(tmp_path)


def test_an_image_is_named_by_where_it_is() -> None:
    names = [str(reference) for reference in references(3)]
    assert names == ["a/ä.jpg", "b.tar!x/y.png", "c.mcap:/left/image#0"]

"""From an entry of a recipe to the images in it."""

from __future__ import annotations

import io
import tarfile
from itertools import islice
from pathlib import Path

import pytest

from depth_anything_ros.errors import SourceError
from tests.sample_bags import IMAGE, Recorded, camera_recording, image_message, jpeg, picture, write_bag
from tests.test_media import write_video
from training.unlabelled import ImageReference, list_images


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def names(entry: Path | str, below: Path) -> list[str]:
    return [str(reference).removeprefix(f"{below}/") for reference in list_images(str(entry))]


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(b"x")


def test_a_folder_at_any_depth_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.PNG", "b/1.jpg", "b/notes.txt", "a.jpeg", "c.webp", ".hidden.jpg", ".cache/3.jpg")
    write_tar(tmp_path / "b" / "x.tar", {"7.jpg": b"x"})
    assert names(tmp_path, tmp_path) == ["a.jpeg", "b/1.jpg", "b/2.PNG", "b/x.tar!7.jpg", "c.webp"]


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    touch(tmp_path, "set/1.jpg", "elsewhere/2.jpg")
    (tmp_path / "set" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "set")
    assert names(tmp_path / "set", tmp_path) == ["set/1.jpg", "set/more/2.jpg"]


def test_a_list_is_relative_to_its_folder_and_read_as_it_is_needed(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# chosen\na.jpg\n\n /data/b c.jpg \nsub/d.png\n")
    assert names(tmp_path / "list.txt", tmp_path) == ["a.jpg", "/data/b c.jpg", "sub/d.png"]
    with (tmp_path / "long.txt").open("w") as file:
        file.writelines(f"{number:09d}.jpg\n" for number in range(100_000))
    assert len(list(islice(list_images(str(tmp_path / "long.txt")), 3))) == 3


def test_shards_by_braces_and_members_by_what_follows_the_first_dot(tmp_path: Path) -> None:
    for number in range(3):
        members = {f"{number}.jpg": b"abc", f"{number}.depth.png": b"d", f"{number}.json": b"{}", "s.x/k.JPEG": b"efgh"}
        write_tar(tmp_path / f"s{number:02d}.tar", members)
    entry = tmp_path / "s{00..02}.tar"
    expected = [f"s{number:02d}.tar!{member}" for number in range(3) for member in (f"{number}.jpg", "s.x/k.JPEG")]
    assert names(entry, tmp_path) == expected
    reference = list(list_images(str(entry)))[3]
    with open(reference.path, "rb") as file:
        file.seek(reference.offset)
        assert file.read(reference.size) == b"efgh"


def test_a_truncated_shard_gives_what_is_whole_and_one_that_will_be_counted(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "s.tar", {"1.jpg": b"a" * 2000, "2.jpg": b"b" * 2000})
    path.write_bytes(path.read_bytes()[:3500])
    found = names(path, tmp_path)
    assert found == ["s.tar!1.jpg", "s.tar!2.jpg", "s.tar!the rest of a truncated archive"]


def test_videos_in_a_folder_thinned_and_a_damaged_one_stops_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "z.avi")
    write_video(tmp_path / "drive.avi", 5)
    found = [str(item).removeprefix(f"{tmp_path}/") for item in list_images(str(tmp_path), frame_every=2)]
    assert found == ["a.jpg", "drive.avi#0", "drive.avi#2", "drive.avi#4", "z.avi#0"]


def test_a_video_and_a_bag_frame_by_frame(tmp_path: Path) -> None:
    write_video(tmp_path / "v.avi", 4)
    write_bag(tmp_path / "run", camera_recording(3))
    assert names(tmp_path / "v.avi", tmp_path) == [f"v.avi#{number}" for number in range(4)]
    assert names(tmp_path / "run", tmp_path) == [f"run#{number}" for number in range(3)]


def test_one_of_several_cameras_of_a_bag(tmp_path: Path) -> None:
    cameras = [
        Recorded(topic, image_message(picture(number), "rgb8", number), number)
        for topic in ("/left/image_raw", "/right/image_raw")
        for number in range(2)
    ]
    assert cameras[0].message.__msgtype__ == IMAGE
    bag = write_bag(tmp_path / "run", cameras)
    assert list(list_images(f"{bag}:/left/image_raw")) == [
        ImageReference(str(bag), frame=frame, topic="/left/image_raw") for frame in range(2)
    ]
    with pytest.raises(SourceError, match="2 image topics"):
        list(list_images(str(bag)))


def test_one_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(picture()))
    assert names(tmp_path / "a.jpg", tmp_path) == ["a.jpg"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("nowhere", "nowhere does not exist; accepted: a folder of images"),
        ("gone.tar", "gone.tar cannot be read: No such file"),
        ("empty", "empty holds no images; accepted: a folder"),
        ("empty.txt", "empty.txt holds no images"),
        ("packed.tar", "packed.tar: not an uncompressed .tar"),
        ("x{1..2.tar", "the braces do not match"),
        ("s3://bucket/a.tar", "files on this machine are accepted"),
        ("model.bin", "model.bin holds no images; accepted"),
    ],
)
def test_what_is_no_source_of_images_is_said(tmp_path: Path, entry: str, words: str) -> None:
    touch(tmp_path, "model.bin")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.txt").write_text("\n# nothing\n")
    with tarfile.open(tmp_path / "packed.tar", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("1.jpg"))
    with pytest.raises(SourceError, match=words):
        list(list_images(entry if "://" in entry else str(tmp_path / entry)))

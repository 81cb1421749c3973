"""Folders of images: Pillow's pixels, sorted files, and errors that name the file."""

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kolam.core import (
    DataError,
    InvalidArgumentError,
    InvalidTypeError,
    StorageError,
    UnsupportedError,
)
from kolam.data import Dataset, _threads, decode_image
from kolam.data._formats.images import open_images
from kolam.data._formats.pixels import Decoder


def _picture(height: int, width: int, seed: int = 0) -> Image.Image:
    waves = np.random.default_rng(seed).uniform(0.02, 0.2, (3, 2))
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = [127 + 120 * np.sin(a * columns + b * rows + seed) for a, b in waves]
    return Image.fromarray(np.stack(pixels, -1).astype(np.uint8))


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes, seven JPEGs of 24 x 20, one of them deeper."""
    for number, name in enumerate(["b/1", "a/2", "b/10", "a/deep/0", "a/1", "b/3", "b/2"]):
        file = tmp_path / "pets" / f"{name}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_jpeg(_picture(24, 20, number)))
    return tmp_path / "pets"


def test_classes_are_folders_and_files_come_sorted(folder: Path) -> None:
    dataset = Dataset.from_images(folder)
    elements = list(dataset)
    files = [folder / f"{name}.jpg" for name in ["a/1", "a/2", "a/deep/0", "b/1", "b/10", "b/2"]]
    assert dataset.class_names == ("a", "b")
    assert [int(element["label"]) for element in elements] == [0, 0, 0, 1, 1, 1, 1]
    for file, element in zip(files, elements, strict=False):
        np.testing.assert_array_equal(element["image"], np.asarray(Image.open(file)))


def test_the_spec_is_what_comes_out(folder: Path) -> None:
    dataset = Dataset.from_images(folder, size=(16, 12), channels=1).batch(2, drop_remainder=True)
    spec, batch = dataset.element_spec, next(iter(dataset))
    for name in ("image", "label"):
        assert (batch[name].shape, str(batch[name].dtype)) == (spec[name].shape, spec[name].dtype)


def test_the_digest_knows_content_and_not_the_place(folder: Path, tmp_path: Path) -> None:
    first = open_digest(folder)
    moved = folder.rename(tmp_path / "moved")
    assert open_digest(moved) == first
    (moved / "a" / "1.jpg").write_bytes(_jpeg(_picture(24, 20, 99)))
    assert open_digest(moved) != first


def test_labels_may_be_left_out_or_given(folder: Path) -> None:
    files = sorted(folder.rglob("*.jpg"))
    assert list(next(iter(Dataset.from_images(files)))) == ["image"]
    assert list(next(iter(Dataset.from_images(folder, labels=None)))) == ["image"]
    given_labels = Dataset.from_images(folder, labels=np.arange(7.0))
    assert [element["label"] for element in given_labels] == list(range(7))


def test_any_number_of_threads_gives_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kolam.data._formats.images._PART", 2)
    many = list(Dataset.from_images(folder).shuffle(seed=3).batch(7).prefetch())
    monkeypatch.setattr(_threads, "num_threads", lambda: 1)
    one = list(Dataset.from_images(folder).shuffle(seed=3).batch(7))
    np.testing.assert_array_equal(many[0]["image"], one[0]["image"])


def open_digest(folder: Path) -> str:
    return open_images(
        folder, labels="folder", size=None, fit="stretch", channels=3, fast=False
    ).digest()


def _mode_1(image: Image.Image) -> Image.Image:
    return image.convert("L").point(lambda value: 255 * (value > 99)).convert("1")


FILES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "jpeg 4:4:4": ("JPEG", lambda image: image, {"subsampling": 0}),
    "jpeg 4:2:0, progressive": ("JPEG", lambda image: image, {"progressive": True}),
    "jpeg, grey": ("JPEG", lambda image: image.convert("L"), {}),
    "jpeg, cmyk": ("JPEG", lambda image: image.convert("CMYK"), {}),
    "png": ("PNG", lambda image: image, {}),
    "png, palette": ("PNG", lambda image: image.quantize(17), {}),
    "png, 1 bit": ("PNG", _mode_1, {}),
    "png, opacity": ("PNG", lambda image: image.convert("RGBA"), {}),
    "bmp": ("BMP", lambda image: image, {}),
    "gif": ("GIF", lambda image: image.quantize(9), {}),
    "tiff": ("TIFF", lambda image: image, {}),
    "webp": ("WEBP", lambda image: image, {"lossless": True}),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_pixels_are_pillows(tmp_path: Path, kind: str, channels: int, mode: str) -> None:
    form, change, options = FILES[kind]
    file = tmp_path / "a.jpg"  # content decides, not the name
    change(_picture(33, 17)).save(file, form, **options)
    found = next(iter(Dataset.from_images([file], channels=channels)))["image"]
    opened = Image.open(io.BytesIO(file.read_bytes()))
    expected = np.asarray(opened.convert(mode)).reshape(33, 17, channels)
    # grey of a colour JPEG is its own luminance, not the rounded one of rounded RGB
    atol = 2 if channels == 1 and form == "JPEG" else 0
    np.testing.assert_allclose(found.astype(int), expected.astype(int), rtol=0, atol=atol)


def test_sixteen_bits_keep_their_upper_half(tmp_path: Path) -> None:
    deep = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    Image.fromarray(deep).save(tmp_path / "a.png")
    found = next(iter(Dataset.from_images(tmp_path, labels=None, channels=1)))["image"]
    np.testing.assert_array_equal(found[:, :, 0], deep >> 8)


SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, st.sampled_from(["stretch", "crop", "pad"]), st.booleans())
def test_images_of_every_size_are_brought_to_one(
    tmp_path_factory: pytest.TempPathFactory,
    have: tuple[int, int],
    want: tuple[int, int],
    fit: str,
    fast: bool,
) -> None:
    file = tmp_path_factory.mktemp("one") / "a.jpg"
    file.write_bytes(_jpeg(Image.new("RGB", have[::-1], (200, 100, 50))))
    out = np.zeros((*want, 3), np.uint8)
    Decoder(want, fit=fit, fast=fast).decode(file.read_bytes(), "it", out)
    covered = np.abs(out.astype(int) - [200, 100, 50]).max(-1) <= 3
    if fit != "pad":
        assert covered.all()
        return
    scale = min(want[0] / have[0], want[1] / have[1])
    rows, columns = covered.any(1).sum(), covered.any(0).sum()
    assert abs(rows - have[0] * scale) <= 1
    assert abs(columns - have[1] * scale) <= 1
    assert (out[~covered] == 0).all()


def test_stretch_is_pillows_antialiased_resize(folder: Path) -> None:
    file = folder / "a" / "1.jpg"
    found = next(iter(Dataset.from_images([file], size=(11, 13))))["image"]
    expected = Image.open(file).resize((13, 11), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found, np.asarray(expected))


def test_images_may_keep_their_own_sizes(folder: Path) -> None:
    (folder / "a" / "2.jpg").write_bytes(_jpeg(_picture(9, 31)))
    dataset = Dataset.from_images(folder, size="own")
    images = [element["image"] for element in dataset]
    assert [image.shape for image in images[:3]] == [(24, 20, 3), (9, 31, 3), (24, 20, 3)]
    assert dataset.element_spec["image"].shape == ("height", "width", 3)
    cropped = dataset.map(lambda row: row["image"][:8, :8], compiled=False).batch(7)
    np.testing.assert_array_equal(next(iter(cropped))[1], images[1][:8, :8])


def test_bytes_are_decoded_as_files_are(folder: Path) -> None:
    file = folder / "a" / "1.jpg"
    own = decode_image(file.read_bytes())
    np.testing.assert_array_equal(own, np.asarray(Image.open(file)))
    small = decode_image(file.read_bytes(), size=(6, 5), channels=1, fit="crop")
    from_file = Dataset.from_images([file], size=(6, 5), channels=1, fit="crop")
    np.testing.assert_array_equal(small, next(iter(from_file))["image"])
    with pytest.raises(DataError, match="An image of 3 bytes cannot be decoded: it is no image"):
        decode_image(b"abc")
    with pytest.raises(InvalidTypeError, match="takes the bytes of an image, not a str"):
        decode_image(str(file))  # type: ignore[arg-type]


def test_images_of_tar_shards_are_decoded_in_map(folder: Path, tmp_path: Path) -> None:
    files = sorted(folder.rglob("*.jpg"))
    with tarfile.open(tmp_path / "shard.tar", "w") as shard:
        for number, file in enumerate(files):
            shard.add(file, arcname=f"{number}.jpg")

    def decode(row: dict[str, Any]) -> np.ndarray:
        return decode_image(row["jpg"], size=(24, 20))

    images = Dataset.from_tar(tmp_path / "shard.tar").map(decode, compiled=False).batch(7)
    expected = [np.asarray(Image.open(file)) for file in files]
    np.testing.assert_array_equal(next(iter(images)), expected)


def test_names_of_classes_are_known_above_other_steps(folder: Path) -> None:
    dataset = Dataset.from_images(folder, on_error="skip").shuffle(seed=1)
    assert dataset.map(lambda row: row["label"]).batch(2).class_names == ("a", "b")


def test_crop_keeps_the_middle_and_the_proportions(tmp_path: Path) -> None:
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:, 20:60] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    found = next(iter(Dataset.from_images(tmp_path, labels=None, size=(20, 20), fit="crop")))
    assert (found["image"] == 255).mean() > 0.85


def test_fast_decoding_of_a_photograph_looks_the_same(tmp_path: Path) -> None:
    photograph = _picture(64, 48).resize((480, 640), Image.Resampling.BICUBIC)
    (tmp_path / "a.jpg").write_bytes(_jpeg(photograph))
    exact = next(iter(Dataset.from_images(tmp_path, labels=None, size=(64, 48))))["image"]
    fast = next(iter(Dataset.from_images(tmp_path, labels=None, size=(64, 48), fast=True)))["image"]
    assert np.abs(exact.astype(int) - fast.astype(int)).mean() < 3


def test_stray_bytes_do_not_make_an_image_bad(tmp_path: Path) -> None:
    data = _jpeg(_picture(16, 16))
    (tmp_path / "a.jpg").write_bytes(data[:-2] + b"\x00\x00\x00" + data[-2:] + b"tail")
    found = next(iter(Dataset.from_images(tmp_path, labels=None)))["image"]
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(data))))


BAD = {
    "a page": (b"<html>not found</html>", "it is no image; it begins with b'<html>not found<'"),
    "empty": (b"", "it is empty"),
    "half": (_jpeg(_picture(64, 64))[:900], "image file is truncated"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_is_no_image_is_named(folder: Path, kind: str) -> None:
    content, reason = BAD[kind]
    (folder / "b" / "10.jpg").write_bytes(content)
    with pytest.raises(DataError) as caught:
        list(Dataset.from_images(folder, size=(24, 20)).batch(7))
    assert f"{folder / 'b' / '10.jpg'} cannot be decoded: {reason}" in str(caught.value)
    assert 'on_error="skip" counts them' in str(caught.value)


def test_files_that_are_no_images_are_left_out_and_counted(folder: Path) -> None:
    (folder / "b" / "10.jpg").write_bytes(b"<html>")
    (folder / "a" / "1.jpg").write_bytes(b"")
    dataset = Dataset.from_images(folder, size=(24, 20), on_error="skip").shuffle(seed=1)
    with pytest.warns(UserWarning, match="2 of 7 records were left out"):
        labels = sorted(int(element["label"]) for element in dataset)
    assert labels == [0, 0, 1, 1, 1]
    assert dataset.stats().skipped == 2
    assert "10.jpg cannot be decoded" in str(dataset.stats())


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow's words on damaged TIFF tags
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_decode_or_are_named(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"]))
    out = io.BytesIO()
    _picture(12, 12).save(out, form)
    content = bytearray(out.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(1, len(content))) :]
    named = f"An image of {len(content)} bytes"
    message = named
    try:
        decode_image(bytes(content), size=(12, 12))
    except DataError as error:
        message = str(error)
    assert named in message


def test_an_image_that_claims_to_be_huge_takes_no_memory() -> None:
    data = bytearray(_jpeg(_picture(8, 8)))
    frame = data.index(b"\xff\xc0")  # marker, length, bits, then height and width
    data[frame + 5 : frame + 9] = b"\xff\x00\xff\x00"
    with pytest.raises(DataError, match=r"cannot be decoded: Image size .* exceeds limit"):
        decode_image(bytes(data), size=(8, 8))


def test_another_size_is_refused_with_both(folder: Path) -> None:
    (folder / "b" / "3.jpg").write_bytes(_jpeg(_picture(30, 20)))
    with pytest.raises(DataError, match=r"3.jpg has 30 x 20 pixels, the first image has 24 x 20"):
        list(Dataset.from_images(folder))


def test_a_file_that_went_away_is_named(folder: Path) -> None:
    dataset = Dataset.from_images(folder)
    (folder / "b" / "3.jpg").unlink()
    with pytest.raises(StorageError, match=r"Cannot read the image .*3.jpg: No such file"):
        list(dataset)


def test_other_files_are_left_out_with_a_word(folder: Path) -> None:
    (folder / "a" / "notes.txt").write_text("nice")
    (folder / "a" / ".DS_Store").write_text("")
    with pytest.warns(UserWarning, match=r"1 files in .*a are left out, .* first is .*notes.txt"):
        dataset = Dataset.from_images(folder)
    assert len(dataset) == 7


def test_linked_folders_are_followed_but_not_in_circles(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "9.jpg").write_bytes(_jpeg(_picture(24, 20, 9)))
    (folder / "b" / "more").symlink_to(tmp_path / "more")
    (folder / "b" / "circle").symlink_to(folder)
    labels = [int(element["label"]) for element in Dataset.from_images(folder)]
    assert labels == [0, 0, 0, 1, 1, 1, 1, 1]


def test_options_are_checked_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"There is no .*/nowhere"):
        Dataset.from_images(tmp_path / "nowhere")
    with pytest.raises(DataError, match="should have one folder per class, but has the image"):
        Dataset.from_images(folder / "b")
    (tmp_path / "bare").mkdir()
    with pytest.raises(DataError, match="should have one folder per class, but has no folders"):
        Dataset.from_images(tmp_path / "bare")
    (folder / "c.jpg").write_bytes(_jpeg(_picture(4, 4)))
    with pytest.raises(DataError, match=r"has the image 'c\.jpg' in it"):
        Dataset.from_images(folder)
    with pytest.raises(DataError, match="There are 8 images, but the labels have the shape"):
        Dataset.from_images(folder, labels=[1, 2])
    with pytest.raises(DataError, match="has no images"):
        Dataset.from_images(tmp_path / "bare", labels=None)
    with pytest.raises(DataError, match="The list of files has no images"):
        Dataset.from_images([])
    with pytest.raises(InvalidArgumentError, match="There is no fit 'best'"):
        Dataset.from_images(folder, fit="best")
    with pytest.raises(InvalidArgumentError, match="The size of images is 224"):
        Dataset.from_images(folder, size=224)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="Images cannot have 2 channels"):
        Dataset.from_images(folder, channels=2)
    with pytest.raises(InvalidArgumentError, match="The labels of images are 'name'"):
        Dataset.from_images(folder, labels="name")
    with pytest.raises(UnsupportedError, match="Only a dataset of images in folders of classes"):
        _ = Dataset.from_arrays(np.arange(3)).class_names


def test_labels_are_numbers(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    with pytest.raises(InvalidArgumentError, match=r"'cat'.*and the like"):
        Dataset.from_images([tmp_path / "a.png"], labels=["cat"])  # type: ignore[list-item]

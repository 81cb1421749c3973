"""One image file to pixels of a given size: JPEG by libjpeg-turbo, other formats by Pillow."""

import math
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kolam.core import DataError, StorageError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FITS = ("stretch", "crop", "pad")

_JPEG = b"\xff\xd8"
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_COLORSPACES = {1: "GRAY", 3: "RGB", 4: "RGBA"}
# What Pillow raises on damaged files of one format or the other
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


@dataclass(frozen=True, slots=True)
class Decoder:
    """How files become pixels, uint8 of shape (height, width, channels).

    Args:
        height: Of the result, in pixels.
        width: Of the result, in pixels.
        channels: 1 grey, 3 RGB, 4 RGB and opacity.
        fit: How an image of another size becomes this one, one of `FITS`; `None` refuses it.
        fast: Let libjpeg-turbo round coarsely and shrink large images while it decodes.
    """

    height: int
    width: int
    channels: int = 3
    fit: str | None = None
    fast: bool = False

    def decode_into(self, path: Path, out: np.ndarray) -> None:
        """Put the pixels of a file into `out`, uint8 of shape (height, width, channels).

        Raises:
            DataError: The file is no image, is damaged, or has another size and `fit` is `None`.
            StorageError: It cannot be read.
        """
        data = _content(path)
        if data.startswith(_JPEG) and self._decode_jpeg(path, data, out):
            return
        image = _open(path, data)
        self._check_size(path, image.height, image.width)
        height, width = image.height, image.width
        image = _as_mode(path, image, _MODES[self.channels])
        out[:] = self._fitted(image, height, width).reshape(out.shape)

    def _decode_jpeg(self, path: Path, data: bytes, out: np.ndarray) -> bool:
        """Decode by libjpeg-turbo; False where it is in doubt, so that Pillow has the last word.

        It reports harmless stray bytes, which are common, as it reports a missing half.
        """
        from simplejpeg import decode_jpeg, decode_jpeg_header  # here: not always needed

        try:
            height, width, colorspace, _ = decode_jpeg_header(data)
            if colorspace in ("CMYK", "YCCK"):
                return False
            if (height, width) == (self.height, self.width):
                decode_jpeg(data, _COLORSPACES[self.channels], self.fast, self.fast, buffer=out)
                return True
            self._check_size(path, height, width)
            least = self._least_size(height, width) if self.fast else (0, 0)
            pixels = decode_jpeg(data, _COLORSPACES[self.channels], self.fast, self.fast, *least)
        except DataError:
            raise
        except ValueError:
            return False
        out[:] = self._fitted(_as_image(pixels), height, width).reshape(out.shape)
        return True

    def _check_size(self, path: Path, height: int, width: int) -> None:
        if self.fit is None and (height, width) != (self.height, self.width):
            raise DataError(
                f"{path} has {height} x {width} pixels, the first image has "
                f"{self.height} x {self.width} (height x width).",
                how="Give from_images a size=(height, width) to which every image is brought.",
            )

    def _scale(self, height: int, width: int) -> tuple[float, float]:
        """Give by what an image of this size is multiplied, down and across."""
        down, across = self.height / height, self.width / width
        if self.fit == "stretch":
            return down, across
        scale = max(down, across) if self.fit == "crop" else min(down, across)
        return scale, scale

    def _least_size(self, height: int, width: int) -> tuple[int, int]:
        """Give the size down to which pixels are of no use to the result."""
        down, across = self._scale(height, width)
        return math.ceil(height * min(down, 1)), math.ceil(width * min(across, 1))

    def _fitted(self, image: "Image.Image", height: int, width: int) -> np.ndarray:
        """Bring an image to this size; `height` and `width` are those of the file."""
        from PIL import Image  # here: not always needed

        size, bilinear = (self.width, self.height), Image.Resampling.BILINEAR
        if image.size == size:
            return np.asarray(image)
        down, across = self._scale(height, width)
        if self.fit != "pad":
            covered = (self.width / across / width, self.height / down / height)
            return np.asarray(image.resize(size, bilinear, box=_middle(image.size, covered)))
        inner = (
            max(1, min(self.width, round(width * across))),
            max(1, min(self.height, round(height * down))),
        )
        padded = Image.new(image.mode, size)
        place = ((self.width - inner[0]) // 2, (self.height - inner[1]) // 2)
        padded.paste(image.resize(inner, bilinear), place)
        return np.asarray(padded)


def image_size(path: Path) -> tuple[int, int]:
    """Give height and width of an image from its header.

    Raises:
        DataError: The file is no image.
        StorageError: It cannot be read.
    """
    image = _open(path, _content(path), whole=False)
    return image.height, image.width


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"Cannot read the image {path}: {error.strerror}.",
            how="The files are listed when the dataset is made; make it again after changes.",
        ) from error
    if not data:
        raise _unreadable(path, "it is empty")
    return data


def _open(path: Path, data: bytes, *, whole: bool = True) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError  # here: not always needed

    try:
        image = Image.open(BytesIO(data))
        if whole:
            image.load()
    except UnidentifiedImageError as error:
        raise _unreadable(path, f"it is no image; it begins with {data[:16]!r}") from error
    except (Image.DecompressionBombError, *_UNREADABLE) as error:
        raise _unreadable(path, f"{error}".rstrip(".") or type(error).__name__) from error
    return image


def _unreadable(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be decoded: {reason}.",
        how="Replace or remove the file.",
    )


def _as_mode(path: Path, image: "Image.Image", mode: str) -> "Image.Image":
    """Convert to 8 bits in `mode`; 16 bits keep their upper half, as when a JPEG is made."""
    if image.mode.startswith("I;16"):
        image = _as_image((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise _unreadable(path, f"its pixels are of Pillow's mode {image.mode!r} (32 bits)")
    return image if image.mode == mode else image.convert(mode)


def _as_image(pixels: np.ndarray) -> "Image.Image":
    from PIL import Image  # here: not always needed

    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels)


def _middle(
    size: tuple[int, int], covered: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Give the box that covers these shares, at most 1, of width and height."""
    width, height = size[0] * min(1.0, covered[0]), size[1] * min(1.0, covered[1])
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return left, top, left + width, top + height

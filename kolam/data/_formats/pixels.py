"""Bytes of an image file to pixels: JPEG by libjpeg-turbo, other formats by Pillow."""

import math
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from kolam.core import DataError, InvalidArgumentError, InvalidTypeError

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
FITS = ("stretch", "crop", "pad")

_JPEG = b"\xff\xd8"
_MOST_PIXELS = 2 * 89_478_485  # Pillow refuses larger ones: a few bytes can claim any size
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_COLORSPACES = {1: "GRAY", 3: "RGB", 4: "RGBA"}
# What Pillow raises on damaged files of one format or the other
_UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


def decode_image(
    data: bytes,
    *,
    size: tuple[int, int] | None = None,
    fit: str = "stretch",
    channels: int = 3,
    fast: bool = False,
) -> np.ndarray:
    """Decode the bytes of an image file: uint8, shape (height, width, channels).

    For `map` over bytes from tar shards or TFRecords, where it runs in threads; folders are read
    by `Dataset.from_images`, whose options these are.

    Args:
        data: The content of a JPEG, PNG, GIF, BMP, TIFF or WebP file.
        size: Height and width to which the image is brought; left out, it keeps its own.
        fit: How, for other proportions: "stretch", "crop" the middle, or "pad" with zeros.
        channels: 1 for grey, 3 for RGB, 4 for RGB and opacity.
        fast: Let libjpeg-turbo round coarsely, and shrink large images while it decodes.

    Raises:
        DataError: It is no image, or damaged.
        InvalidTypeError: `data` are no bytes.
    """
    check_options(size, fit, channels)
    if not isinstance(data, bytes):
        raise InvalidTypeError(
            f"decode_image takes the bytes of an image, not a {type(data).__name__}.",
            how="Give Path(...).read_bytes(); a dataset of files is Dataset.from_images(files).",
        )
    return Decoder(size, channels, fit, fast).decode(data, f"An image of {len(data)} bytes")


def check_options(size: object, fit: str, channels: int) -> None:
    """Check what `decode_image` and `Dataset.from_images` have in common.

    Raises:
        InvalidArgumentError: An option has a value that it cannot have.
    """
    if size is not None and not (
        isinstance(size, tuple | list)
        and len(size) == 2
        and all(isinstance(n, int | np.integer) and n > 0 for n in size)
    ):
        raise InvalidArgumentError(
            f"The size of images is {size!r}.", how="Give (height, width) in pixels."
        )
    if fit not in FITS:
        raise InvalidArgumentError(f"There is no fit {fit!r}.", how=f"Give one of {FITS}.")
    if channels not in (1, 3, 4):
        raise InvalidArgumentError(
            f"Images cannot have {channels!r} channels.",
            how="Give 1 for grey, 3 for RGB, or 4 for RGB and opacity.",
        )


@dataclass(frozen=True, slots=True)
class Decoder:
    """How files become pixels, uint8 of shape (height, width, channels).

    Args:
        size: Height and width of the result; `None` keeps that of the file.
        channels: 1 grey, 3 RGB, 4 RGB and opacity.
        fit: How an image of another size becomes this one, one of `FITS`; `None` refuses it.
        fast: Let libjpeg-turbo round coarsely and shrink large images while it decodes.
    """

    size: tuple[int, int] | None
    channels: int = 3
    fit: str | None = None
    fast: bool = False

    def decode(self, data: bytes, name: str, out: np.ndarray | None = None) -> np.ndarray:
        """Give the pixels, in `out` if it is given.

        Args:
            data: The content of a file.
            name: What it is called in messages.
            out: Array of the result's shape, uint8 and contiguous.

        Raises:
            DataError: The file is no image, is damaged, or has another size and `fit` is `None`.
        """
        if data.startswith(_JPEG):
            found = self._decode_jpeg(data, name, out)
            if found is not None:
                return found
        image = _open(data, name)
        height, width = image.height, image.width
        self._check_size(name, height, width)
        return self._settled(_as_mode(image, name, _MODES[self.channels]), height, width, out)

    def _decode_jpeg(self, data: bytes, name: str, out: np.ndarray | None) -> np.ndarray | None:
        """Decode by libjpeg-turbo; `None` where it is in doubt, so that Pillow has the last word.

        It reports harmless stray bytes, which are common, as it reports a missing half.
        """
        from simplejpeg import decode_jpeg, decode_jpeg_header  # here: not always needed

        kind = _COLORSPACES[self.channels]
        try:
            height, width, colorspace, _ = decode_jpeg_header(data)
            if colorspace in ("CMYK", "YCCK") or height * width > _MOST_PIXELS:
                return None
            if self.size is None or self.size == (height, width):
                found = decode_jpeg(data, kind, self.fast, self.fast, buffer=out)
                return found if out is None else out
            self._check_size(name, height, width)
            least = self._least_size(height, width) if self.fast else (0, 0)
            pixels = decode_jpeg(data, kind, self.fast, self.fast, *least)
        except DataError:
            raise
        except ValueError:
            return None
        return self._settled(_as_image(pixels), height, width, out)

    def _settled(
        self, image: "Image.Image", height: int, width: int, out: np.ndarray | None
    ) -> np.ndarray:
        """Bring an image to the size; `height` and `width` are those of the file."""
        pixels = np.asarray(image) if self.size is None else self._fitted(image, height, width)
        pixels = pixels.reshape(*pixels.shape[:2], self.channels)
        if out is None:
            return pixels
        out[:] = pixels
        return out

    def _check_size(self, name: str, height: int, width: int) -> None:
        if self.fit is None and self.size not in (None, (height, width)):
            raise DataError(
                f"{name} has {height} x {width} pixels, the first image has "
                f"{' x '.join(map(str, self.size or ()))} (height x width).",
                how="Give from_images a size=(height, width) to which every image is brought, or "
                'size="own" to keep what each has.',
            )

    def _scale(self, height: int, width: int) -> tuple[float, float]:
        """Give by what an image of this size is multiplied, down and across."""
        assert self.size is not None
        down, across = self.size[0] / height, self.size[1] / width
        if self.fit == "stretch":
            return down, across
        scale = max(down, across) if self.fit == "crop" else min(down, across)
        return scale, scale

    def _least_size(self, height: int, width: int) -> tuple[int, int]:
        """Give the size down to which pixels are of no use to the result."""
        down, across = self._scale(height, width)
        return math.ceil(height * min(down, 1)), math.ceil(width * min(across, 1))

    def _fitted(self, image: "Image.Image", height: int, width: int) -> np.ndarray:
        from PIL import Image  # here: not always needed

        assert self.size is not None
        size, bilinear = (self.size[1], self.size[0]), Image.Resampling.BILINEAR
        if image.size == size:
            return np.asarray(image)
        down, across = self._scale(height, width)
        if self.fit != "pad":
            covered = (size[0] / across / width, size[1] / down / height)
            return np.asarray(image.resize(size, bilinear, box=_middle(image.size, covered)))
        inner = (
            max(1, min(size[0], round(width * across))),
            max(1, min(size[1], round(height * down))),
        )
        padded = Image.new(image.mode, size)
        padded.paste(
            image.resize(inner, bilinear), ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2)
        )
        return np.asarray(padded)


def image_size(data: bytes, name: str) -> tuple[int, int]:
    """Give height and width of an image from its header.

    Raises:
        DataError: It is no image.
    """
    image = _open(data, name, whole=False)
    return image.height, image.width


def _open(data: bytes, name: str, *, whole: bool = True) -> "Image.Image":
    from PIL import Image, UnidentifiedImageError  # here: not always needed

    if not data:
        raise _unreadable(name, "it is empty")
    try:
        image = Image.open(BytesIO(data))
        if whole:
            image.load()
    except UnidentifiedImageError as error:
        raise _unreadable(name, f"it is no image; it begins with {data[:16]!r}") from error
    except (Image.DecompressionBombError, *_UNREADABLE) as error:
        raise _unreadable(name, f"{error}".rstrip(".") or type(error).__name__) from error
    return image


def _unreadable(name: str, reason: str) -> DataError:
    return DataError(
        f"{name} cannot be decoded: {reason}.",
        how='Replace it, or leave such images out: on_error="skip" counts them in stats().',
    )


def _as_mode(image: "Image.Image", name: str, mode: str) -> "Image.Image":
    """Convert to 8 bits in `mode`; 16 bits keep their upper half, as when a JPEG is made."""
    if image.mode.startswith("I;16"):
        image = _as_image((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        raise _unreadable(name, f"its pixels are of Pillow's mode {image.mode!r} (32 bits)")
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

"""<home>/branding.toml -> what people see in place of "apiledger": a name, who mails are from, and a logo.

Nothing of it is a path: the logo is `logo.png` or `logo.svg` of the home. It is handed out as a data: address for an
image alone, where no browser runs a script or fetches anything, so it has no address of its own that could be opened.
"""

import base64
import os
import stat
import struct
import tomllib
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree as ET

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from warehouse.errors import WarehouseError
from warehouse.home import Home

NAME = "apiledger"
FILE = "branding.toml"
# It goes along with every page.
LOGO_BYTES = 32_768
_LOGO_PIXELS = 1024
_PNG, _SVG = b"\x89PNG\r\n\x1a\n", "{http://www.w3.org/2000/svg}"


class BrandingError(WarehouseError):
    """The owner's name or logo cannot be shown: the person mends the file it names."""


def _one_line(text: str) -> str:
    """Neither a page nor a mail's header takes more than a line, and nothing in it steers how the rest is read."""
    if text != text.strip() or any(unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for one in text):
        raise ValueError("one line of text, without control characters and blanks around it")
    return text


_Line = Annotated[str, Field(min_length=1, max_length=60), AfterValidator(_one_line)]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: _Line = NAME
    sender_name: _Line | None = None
    logo: Literal["logo.png", "logo.svg"] | None = None


class Branding(BaseModel):
    """What is shown: `sender_name` is who mails are from; `logo` a data: address of an image, None for our own mark."""

    model_config = ConfigDict(frozen=True)

    name: str = NAME
    sender_name: str = NAME
    logo: str | None = None


def load(home: Home) -> Branding:
    """What the owner says, ours where there is no file; BrandingError names the file and what is wrong with it."""
    return _read(home.root, *(_stamp(home.root / name) for name in (FILE, "logo.png", "logo.svg")))


def shown(home: Home) -> Branding:
    """What the owner says; ours as well where it cannot be read, which `apiledger doctor` tells."""
    try:
        return load(home)
    except BrandingError:
        return Branding()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.lstat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _read(root: Path, *_stamps: tuple[int, int]) -> Branding:
    own = root / FILE
    if not own.exists():
        return Branding()
    try:
        said = _Said.model_validate(tomllib.loads(own.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise BrandingError(f"{own} cannot be read: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise BrandingError(f"{own}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    logo = None if said.logo is None else _address(root / said.logo)
    return Branding(name=said.name, sender_name=said.sender_name or said.name, logo=logo)


def _address(path: Path) -> str:
    """The image as a data: address; BrandingError for what is no small, still image."""
    try:
        # A link could lead out of the home, and a pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as handle:
            if not stat.S_ISREG(os.fstat(handle.fileno()).st_mode):
                raise BrandingError(f"{path} is no file")
            image = handle.read(LOGO_BYTES + 1)
    except OSError as error:
        raise BrandingError(f"{path} cannot be read: {error.strerror}; it is a file of the home, and no link") from None
    if len(image) > LOGO_BYTES:
        raise BrandingError(f"{path} has more than {LOGO_BYTES:,} bytes: it goes along with every page")
    wrong = _wrong_png(image) if path.suffix == ".png" else _wrong_svg(image)
    if wrong is not None:
        raise BrandingError(f"{path} {wrong}")
    kind = "png" if path.suffix == ".png" else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


def _wrong_png(image: bytes) -> str | None:
    if not image.startswith(_PNG) or image[12:16] != b"IHDR" or len(image) < 24:
        return "is no PNG"
    width, height = struct.unpack(">II", image[16:24])
    if not (0 < width <= _LOGO_PIXELS and 0 < height <= _LOGO_PIXELS):
        return f"has {width} x {height} pixels; at most {_LOGO_PIXELS} each way"
    return None


def _wrong_svg(image: bytes) -> str | None:
    """What in a drawing is none; as an image no browser would run or fetch it, so it is the wrong file."""
    if b"<!DOCTYPE" in image or b"<!ENTITY" in image:
        return "has a DOCTYPE or entities: save it as plain SVG"
    try:
        drawing = ET.fromstring(image.decode("utf-8"))  # noqa: S314 - small, and nothing in it expands
    except (ET.ParseError, ValueError):
        return "is no SVG in UTF-8"
    if drawing.tag != f"{_SVG}svg":
        return "is no SVG in UTF-8"
    for each in drawing.iter():
        if str(each.tag).rpartition("}")[2] in {"script", "foreignObject"}:
            return "holds a script or a page: save it as plain SVG"
        for name, value in each.attrib.items():
            word = name.rpartition("}")[2].lower()
            if word.startswith("on") or (word == "href" and not value.startswith(("#", "data:image/"))):
                return f"holds {word}, which runs or fetches something: save it as plain SVG"
    return None

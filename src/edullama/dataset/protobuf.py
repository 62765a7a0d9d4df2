"""The few bytes of Google's protocol buffers that Anki's collections need."""

from collections.abc import Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
WIDTHS = {FIXED_64: 8, FIXED_32: 4}


def read_fields(message: bytes) -> dict[int, bytes | int]:
    """Return a message's fields by number, the last of each; raises ValueError for damaged ones."""
    return dict(_read(message))


def _read(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _read_varint(message, place)
            yield key >> 3, value
            continue
        width, place = (WIDTHS[kind], place) if kind in WIDTHS else _read_length(message, place, kind)
        if place + width > len(message):
            raise ValueError("a message that ends too early")
        yield key >> 3, message[place : place + width]
        place += width


def _read_length(message: bytes, place: int, kind: int) -> tuple[int, int]:
    if kind != BYTES:
        raise ValueError(f"unknown kind {kind} in a message")
    return _read_varint(message, place)


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    """Read a number, seven bits a byte, lowest first."""
    value = shift = 0
    while place < len(message):
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return value, place
    raise ValueError("a message that ends too early")

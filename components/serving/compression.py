"""gzip on the way in, bounded, and on the way out, where it is worth it."""

from __future__ import annotations

import zlib

from components.serving.refusal import RequestError

_GZIP = 16 + zlib.MAX_WBITS
_WORTH_IT = 1024
_MOST_MEMBERS = 100
_LEVEL = 1  # half the bytes at a tenth of the time of level 9


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """A request's body without its content encoding.

    Raises:
        RequestError: for an encoding other than gzip (415), for what is no gzip (400), and for more
            than `limit` bytes (413), of which no more than that are ever made.

    >>> unpack(pack(b"a" * 3000), "gzip", 3000) == b"a" * 3000
    True
    """
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise RequestError(
            f"content-encoding {encoding!r:.40} is not understood; send gzip, or the JSON as it is",
            415,
        )
    parts: list[bytes] = []
    room, rest = limit, body
    try:
        while rest:  # a gzip body may have several members
            if len(parts) == _MOST_MEMBERS:
                raise RequestError(f"the body has more than {_MOST_MEMBERS} gzip members", 400)
            reader = zlib.decompressobj(_GZIP)
            parts.append(reader.decompress(rest, room + 1))
            room -= len(parts[-1])
            if room < 0:
                raise RequestError(
                    f"the body is larger than the {limit} bytes allowed once unpacked; split it",
                    413,
                )
            if not reader.eof:
                raise RequestError("the body ends in the middle of its gzip stream", 400)
            rest = reader.unused_data
    except zlib.error as error:
        raise RequestError(f"the body is no gzip, as content-encoding says: {error}", 400) from None
    return b"".join(parts)


def pack(body: bytes) -> bytes:
    """The body as gzip."""
    writer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    return writer.compress(body) + writer.flush()


def wants_gzip(accepted: str, size: int) -> bool:
    """Whether a client takes gzip, and an answer of that size is worth it.

    >>> wants_gzip("br, gzip;q=0.5", 5000), wants_gzip("gzip;q=0, *", 5000), wants_gzip("gzip", 9)
    (True, False, False)
    """
    if size < _WORTH_IT or ("gzip" not in accepted and "*" not in accepted):
        return False
    taken: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        quality = weight.strip().removeprefix("q=").strip()
        taken[name.strip()] = not quality or quality.strip("0.") != ""
    return taken.get("gzip", taken.get("*", False))

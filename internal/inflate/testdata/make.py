#!/usr/bin/env python3
"""Makes golden.txt, messages that zlib in C compressed.

Run as: python3 make.py > golden.txt

Each line is a connection with takeover: its name, its window bits, and the
payload of each message in hexadecimal. The messages are text(0), text(1), ...;
the Go test has the same function.
"""
import sys
import zlib

SIZES = [5, 0, 100, 1, 300, 1200, 64]


def text(k):
    """Words whose order is that of a linear congruential generator."""
    words = b"alpha beta gamma delta price size symbol message time true false null 1024 0.25".split()
    state, out = k + 1, b""
    while len(out) < SIZES[k]:
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out += words[(state >> 16) % len(words)] + b" "
    return out[: SIZES[k]]


def payload(c, message, flush):
    """RFC 7692, section 7.2.1: with the empty stored block, without its tail."""
    out = c.compress(message) + c.flush(flush)
    if flush != zlib.Z_SYNC_FLUSH:
        # The others may end within a byte, or leave out the empty block.
        out += c.flush(zlib.Z_SYNC_FLUSH)
    if out.endswith(b"\x00\x00\xff\xff"):
        out = out[:-4]
    return out or b"\x00"


STRATEGIES = {
    "default": zlib.Z_DEFAULT_STRATEGY,
    "filtered": zlib.Z_FILTERED,
    "huffman": zlib.Z_HUFFMAN_ONLY,
    "rle": zlib.Z_RLE,
    "fixed": zlib.Z_FIXED,
}
FLUSHES = {
    "sync": zlib.Z_SYNC_FLUSH,
    "full": zlib.Z_FULL_FLUSH,
    "partial": zlib.Z_PARTIAL_FLUSH,
}


def line(name, bits, parts):
    print(name, bits, *[p.hex() or "-" for p in parts])


def main():
    for strategy, s in STRATEGIES.items():
        for flush, f in FLUSHES.items():
            c = zlib.compressobj(6, zlib.DEFLATED, -15, 8, s)
            line(f"{strategy}/{flush}", 15, [payload(c, text(k), f) for k in range(len(SIZES))])
    for level in range(10):
        c = zlib.compressobj(level, zlib.DEFLATED, -15)
        line(f"level{level}", 15, [payload(c, text(k), zlib.Z_SYNC_FLUSH) for k in range(len(SIZES))])
    for bits in range(9, 16):
        c = zlib.compressobj(9, zlib.DEFLATED, -bits, 9)
        line(f"window{bits}", bits, [payload(c, text(k), zlib.Z_SYNC_FLUSH) for k in range(len(SIZES))])
    finish = []
    for k in range(len(SIZES)):
        c = zlib.compressobj(6, zlib.DEFLATED, -15)
        finish.append(c.compress(text(k)) + c.flush(zlib.Z_FINISH) + (b"\x00" if k % 2 else b""))
    line("finish", 15, finish)


if __name__ == "__main__":
    sys.exit(main())

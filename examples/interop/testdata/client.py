"""A client on Python's websockets. It runs its cases against the echo server at
the URL given and prints a line for each; then it waits for the server to close.
"""

import asyncio
import sys

import websockets

URL = sys.argv[1]
SIZES = [0, 125, 126, 65535, 65536, 1 << 20]
TOO_BIG = 4 << 20  # the tests' server takes 2 MiB


def connect(**options):
    return websockets.connect(URL, max_size=None, **options)


def check(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def text_of(size):
    async def case():
        async with connect() as ws:
            text = ("0123456789 text " * (size // 16 + 1))[:size]
            await ws.send(text)
            check("same", await ws.recv() == text, True)

    return case


def binary_of(size):
    async def case():
        async with connect() as ws:
            data = bytes((i * 7 + (i >> 8)) & 0xFF for i in range(size))
            await ws.send(data)
            check("same", await ws.recv() == data, True)

    return case


async def characters():
    async with connect() as ws:
        await ws.send("aé€😀\0")
        check("text", await ws.recv(), "aé€😀\0")


async def ping():
    # The library itself compares the payload of the pong with the ping's.
    async with connect() as ws:
        for payload in [b"", b"payload", b"p" * 125]:
            await (await ws.ping(payload))


async def pong_unasked():
    async with connect() as ws:
        await ws.pong(b"unasked")
        await ws.send("after")
        check("text", await ws.recv(), "after")


async def fragments():
    async with connect() as ws:
        pongs = []

        async def parts():
            yield "frag"
            pongs.append(await ws.ping(b"between"))
            yield ""
            yield "ments"

        await ws.send(parts())
        await pongs[0]
        check("text", await ws.recv(), "fragments")


async def subprotocol():
    async with connect(subprotocols=["chat", "echo"]) as ws:
        check("subprotocol", ws.subprotocol, "echo")


async def subprotocol_unknown():
    async with connect(subprotocols=["chat"]) as ws:
        check("subprotocol", ws.subprotocol, None)


async def deflate_declined():
    async with connect(compression="deflate") as ws:
        # Newer versions keep the list in ws.protocol.
        extensions = getattr(ws, "extensions", None)
        if extensions is None:
            extensions = ws.protocol.extensions
        check("extensions", list(extensions), [])


async def close_with_code():
    async with connect() as ws:
        await ws.close(4001, "bye €")
        check("code", ws.close_code, 4001)
        check("reason", ws.close_reason, "bye €")


async def too_big():
    async with connect() as ws:
        try:
            await ws.send(bytes(TOO_BIG))
        except websockets.ConnectionClosed:
            pass
        await ws.wait_closed()
        check("code", ws.close_code, 1009)


CASES = (
    {f"text {n}": text_of(n) for n in SIZES}
    | {f"binary {n}": binary_of(n) for n in SIZES}
    | {
        "characters of all lengths": characters,
        "ping": ping,
        "pong unasked": pong_unasked,
        "fragments with a ping between": fragments,
        "subprotocol": subprotocol,
        "subprotocol unknown": subprotocol_unknown,
        "deflate declined": deflate_declined,
        "close with code and reason": close_with_code,
        "too big": too_big,
    }
)


def say(line):
    print(line, flush=True)


async def main():
    for name, run in CASES.items():
        try:
            await run()
            say(name)
        except Exception as e:
            say(f"{name}: {e!r}")
    async with connect() as ws:
        await ws.send("hello")
        await ws.recv()
        say("waiting")
        await ws.wait_closed()
        say(f"closed {ws.close_code} {ws.close_reason} clean")


asyncio.run(main())

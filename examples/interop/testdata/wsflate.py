"""Compression with Python's websockets. "client URL OFFERS" makes a connection for each offer and
prints "ok" when all messages came back; "server" agrees to what is offered and echoes.
"""

import asyncio
import json
import random
import sys

import websockets
from websockets.extensions import permessage_deflate


def offer_of(p, level):
    return permessage_deflate.ClientPerMessageDeflateFactory(
        server_no_context_takeover=p["ServerNoContextTakeover"],
        client_no_context_takeover=p["ClientNoContextTakeover"],
        server_max_window_bits=p["ServerMaxWindowBits"] or None,
        client_max_window_bits=p["ClientMaxWindowBits"] or None,
        compress_settings={"level": level},
    )


def messages():
    numbers = random.Random(1)
    everything = []
    for i in range(12):
        ticks = [
            {"symbol": ["BTC-USD", "ETH-USD"][k % 2], "price": numbers.randrange(1000), "id": k}
            for k in range(1 + i * i * 7)
        ]
        text = json.dumps(ticks)
        everything += [text, text[: len(text) // 2], numbers.randbytes(37 * i)]
    return everything + ["", everything[0], bytes(100000)]


async def client(url, offers):
    for n, p in enumerate(offers):
        extensions = [offer_of(p, n % 10)]
        async with websockets.connect(url, max_size=None, compression=None, extensions=extensions) as ws:
            fault = ""
            for i, m in enumerate(messages()):
                if i % 3 == 2 and len(m) > 1:
                    await ws.send([m[: len(m) // 2], m[len(m) // 2 :]])
                else:
                    await ws.send(m)
                if await ws.recv() != m:
                    fault = fault or f"message {i} differs"
        print(fault or "ok", flush=True)


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def server():
    extensions = [permessage_deflate.ServerPerMessageDeflateFactory()]
    options = {"max_size": None, "compression": None, "extensions": extensions}
    async with websockets.serve(echo, "127.0.0.1", 0, **options) as listening:
        print("listening", listening.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


if sys.argv[1] == "server":
    asyncio.run(server())
else:
    asyncio.run(client(sys.argv[2], json.loads(sys.argv[3])))

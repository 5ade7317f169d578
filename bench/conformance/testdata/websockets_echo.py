"""An echo on Python's websockets: "LIMIT" is a server that prints its port, and "LIMIT URL" a
client that runs the cases of the suite at the URL. It ends when its standard input does.
"""

import asyncio
import logging
import os
import sys
import threading

import websockets

LIMIT = int(sys.argv[1])
OPTIONS = {"max_size": LIMIT, "ping_interval": None}
AT_ONCE = 16


def watch():
    while os.read(0, 4096):
        pass
    os._exit(0)


async def echo(ws):
    try:
        async for message in ws:
            await ws.send(message)
    except websockets.ConnectionClosed:
        pass


async def serve():
    async with websockets.serve(echo, "127.0.0.1", 0, **OPTIONS) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def fetch(url):
    async with websockets.connect(url, **OPTIONS) as ws:
        return await ws.recv()


async def play(url):
    try:
        async with websockets.connect(url, **OPTIONS) as ws:
            await echo(ws)
    except Exception:  # a case may end in any way
        pass


async def drive(base):
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(n):
        async with slots:
            await play(f"{base}/case?n={n}")

    count = int(await fetch(base + "/count"))
    await asyncio.gather(*(one(n) for n in range(1, count + 1)))
    await fetch(base + "/report")


logging.disable(logging.CRITICAL)
threading.Thread(target=watch, daemon=True).start()
if len(sys.argv) > 2:
    if hasattr(websockets.connect, "MAX_REDIRECTS_ALLOWED"):
        websockets.connect.MAX_REDIRECTS_ALLOWED = 1  # attempts: the suite wants no redirect followed
    asyncio.run(drive(sys.argv[2]))
else:
    asyncio.run(serve())

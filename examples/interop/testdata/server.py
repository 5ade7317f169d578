"""A server on Python's websockets. The path of the URL says what it does with a
connection; it prints the port it listens on, and how each connection ended.
"""

import asyncio

import websockets


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def greet(ws):
    for text in ["one", "two", "three"]:
        await ws.send(text)
    await ws.wait_closed()


async def ping(ws):
    payload = "from the server"
    await (await ws.ping(payload))
    await ws.send("pong " + payload)
    await ws.wait_closed()


async def fragments(ws):
    async def parts():
        yield "frag"
        await ws.ping("between")
        yield "ments"

    await ws.send(parts())
    await ws.wait_closed()


async def close(ws):
    await ws.close(4001, "bye €")


BEHAVIOURS = {
    "/echo": echo,
    "/greet": greet,
    "/ping": ping,
    "/fragments": fragments,
    "/close": close,
}


async def serve(ws):
    # Newer versions keep the path in the request.
    path = ws.path if hasattr(ws, "path") else ws.request.path
    try:
        await BEHAVIOURS[path](ws)
    except websockets.ConnectionClosed:
        pass
    await ws.wait_closed()
    print(f"closed {ws.close_code} {ws.close_reason}", flush=True)


async def main():
    options = {"max_size": None, "subprotocols": ["echo"], "compression": "deflate"}
    async with websockets.serve(serve, "127.0.0.1", 0, **options) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


asyncio.run(main())

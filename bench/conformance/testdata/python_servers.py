"""Echo servers on aiohttp and tornado: "LIBRARY LIMIT". It prints its port, and ends when its
standard input does.
"""

import asyncio
import logging
import os
import sys
import threading

LIBRARY, LIMIT = sys.argv[1], int(sys.argv[2])


def watch():
    while os.read(0, 4096):
        pass
    os._exit(0)


async def serve_aiohttp():
    from aiohttp import WSMsgType, web

    async def echo(request):
        ws = web.WebSocketResponse(max_msg_size=LIMIT, compress=True)
        await ws.prepare(request)
        async for message in ws:
            if message.type == WSMsgType.TEXT:
                await ws.send_str(message.data)
            elif message.type == WSMsgType.BINARY:
                await ws.send_bytes(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/ws", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner.addresses[0][1]


async def serve_tornado():
    from tornado import web, websocket
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets

    class Echo(websocket.WebSocketHandler):
        def get_compression_options(self):
            return {}

        def check_origin(self, origin):
            return True

        def on_message(self, message):
            self.write_message(message, binary=isinstance(message, bytes))

    app = web.Application([("/ws", Echo)], websocket_max_message_size=LIMIT)
    sockets = bind_sockets(0, "127.0.0.1")
    HTTPServer(app).add_sockets(sockets)
    return sockets[0].getsockname()[1]


async def main():
    port = await {"aiohttp": serve_aiohttp, "tornado": serve_tornado}[LIBRARY]()
    print("listening", port, flush=True)
    await asyncio.Future()


logging.disable(logging.CRITICAL)
threading.Thread(target=watch, daemon=True).start()
asyncio.run(main())

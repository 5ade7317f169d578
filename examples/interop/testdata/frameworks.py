"""Clients and servers on aiohttp, tornado and wsproto.

    frameworks.py LIBRARY client URL
    frameworks.py LIBRARY server

The client runs its cases against the echo server at URL, prints a line for each, and waits for
the server to close. The path of a URL says what the server does with a connection; the server
prints the port it listens on, and how each connection ended.

Each library has a class with the same methods. recv returns None after a close frame; code and
reason are then those of the peer.
"""

import asyncio
import sys
from urllib.parse import urlsplit

SIZES = [0, 125, 126, 65535, 65536, 1 << 20]
TOO_BIG = 4 << 20  # the tests' server takes 2 MiB


def say(line):
    print(line, flush=True)


# The behaviors of a server, on a connection of any library.


async def echo(ws):
    while (message := await ws.recv()) is not None:
        await ws.send(message)


async def greet(ws):
    for text in ["one", "two", "three"]:
        await ws.send(text)


async def ping(ws):
    await ws.ping(b"from the server")
    await ws.send("pong " + (await ws.pong()).decode())


async def fragments(ws):
    await ws.fragment("frag", False)
    await ws.ping(b"between")
    await ws.fragment("ments", True)


async def close(ws):
    await ws.close(4001, "bye €")


async def behave(path, ws):
    await {"/echo": echo, "/greet": greet, "/ping": ping, "/fragments": fragments, "/close": close}[path](ws)
    while ws.code is None:
        await ws.recv()
    say(f"closed {ws.code} {ws.reason}")


class Aiohttp:
    """aiohttp shows each frame; without autoping and autoclose, the program sees pongs, and answers."""

    def __init__(self, ws, session=None):
        self.ws, self.session = ws, session
        self.code, self.reason, self.pongs = None, "", []
        self.compressed = ws.compress
        self.subprotocol = ws.protocol if session else ws.ws_protocol

    @classmethod
    async def connect(cls, url, subprotocols=()):
        import aiohttp

        session = aiohttp.ClientSession()
        ws = await session.ws_connect(url, protocols=subprotocols, compress=15, max_msg_size=0, autoping=False, autoclose=False)
        return cls(ws, session)

    @classmethod
    async def serve(cls):
        from aiohttp import web

        async def handle(request):
            ws = web.WebSocketResponse(protocols=["echo"], max_msg_size=0, autoping=False, autoclose=False)
            await ws.prepare(request)
            await behave(request.path, cls(ws))
            return ws

        app = web.Application()
        app.router.add_get("/{name}", handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return site._server.sockets[0].getsockname()[1]

    async def send(self, message):
        await (self.ws.send_str(message) if isinstance(message, str) else self.ws.send_bytes(message))

    async def ping(self, payload):
        await self.ws.ping(payload)

    async def pong(self):
        await self.step()
        return self.pongs.pop()

    async def recv(self):
        while True:
            done, message = await self.step()
            if done:
                return message

    async def step(self):
        """Receives a frame. The first result says that it ends a recv."""
        from aiohttp import WSMsgType

        message = await self.ws.receive()
        if message.type == WSMsgType.PING:
            await self.ws.pong(message.data)
        elif message.type == WSMsgType.PONG:
            self.pongs.append(bytes(message.data))
        elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            return True, message.data
        else:
            if message.type == WSMsgType.CLOSE:
                self.code, self.reason = message.data or 1005, message.extra
                await self.ws.close(code=message.data or 1000, message=self.reason.encode())
            elif message.type == WSMsgType.ERROR:
                raise message.data
            elif self.code is None:
                self.code = self.ws.close_code
            return True, None
        return False, None

    async def close(self, code, reason):
        await self.ws.close(code=code, message=reason.encode())
        self.code = self.ws.close_code
        if self.session:
            await self.session.close()


class Tornado:
    """tornado answers pings, puts messages together, and reports what ends a connection."""

    def __init__(self, ws, subprotocol):
        self.ws = ws
        self.messages, self.pongs = asyncio.Queue(), asyncio.Queue()
        self.code, self.reason = None, ""
        self.subprotocol = subprotocol
        self.compressed = False

    @classmethod
    async def connect(cls, url, subprotocols=()):
        from tornado.websocket import websocket_connect

        ws = await websocket_connect(url, subprotocols=list(subprotocols) or None, compression_options={}, max_message_size=8 << 20)
        conn = cls(ws, ws.selected_subprotocol)
        conn.compressed = ws.protocol._compressor is not None
        ws.on_pong = lambda data: conn.pongs.put_nowait(data)
        return conn

    @classmethod
    async def serve(cls):
        from tornado.netutil import bind_sockets
        from tornado.httpserver import HTTPServer
        from tornado.web import Application
        from tornado.websocket import WebSocketHandler

        class Handler(WebSocketHandler):
            def get_compression_options(self):
                return {}

            def select_subprotocol(self, subprotocols):
                return "echo" if "echo" in subprotocols else None

            def open(self, *args):
                self.conn = cls(self, None)
                self.conn.task = asyncio.ensure_future(behave(self.request.path, self.conn))

            def on_message(self, message):
                self.conn.messages.put_nowait(message)

            def on_pong(self, data):
                self.conn.pongs.put_nowait(data)

            def on_close(self):
                self.conn.code, self.conn.reason = self.close_code or 1005, self.close_reason or ""
                self.conn.messages.put_nowait(None)

        sockets = bind_sockets(0, "127.0.0.1")
        HTTPServer(Application([("/.*", Handler)], websocket_max_message_size=8 << 20), max_buffer_size=8 << 20).add_sockets(sockets)
        return sockets[0].getsockname()[1]

    async def send(self, message):
        await self.ws.write_message(message, binary=isinstance(message, bytes))

    async def ping(self, payload):
        self.ws.ping(payload)

    async def pong(self):
        return await self.pongs.get()

    async def recv(self):
        if not hasattr(self.ws, "read_message"):
            return await self.messages.get()
        message = await self.ws.read_message()
        if message is None:
            self.code, self.reason = self.ws.close_code or 1005, self.ws.close_reason or ""
        return message

    async def close(self, code, reason):
        self.ws.close(code, reason)
        if hasattr(self.ws, "read_message"):
            await self.recv()


class Wsproto:
    """wsproto is the protocol without I/O; this drives it over a stream of asyncio."""

    def __init__(self, kind, reader, writer):
        from wsproto import WSConnection

        self.proto, self.reader, self.writer = WSConnection(kind), reader, writer
        self.events, self.pongs, self.parts = [], [], []
        self.code, self.reason, self.subprotocol, self.compressed = None, "", None, False

    @classmethod
    async def connect(cls, url, subprotocols=()):
        from wsproto import ConnectionType, events
        from wsproto.extensions import PerMessageDeflate

        u = urlsplit(url)
        self = cls(ConnectionType.CLIENT, *await asyncio.open_connection(u.hostname, u.port))
        await self.out(events.Request(host=u.netloc, target=u.path, subprotocols=list(subprotocols), extensions=[PerMessageDeflate()]))
        accepted = await self.event()
        if not isinstance(accepted, events.AcceptConnection):
            raise AssertionError(f"refused: {accepted!r}")
        self.subprotocol, self.compressed = accepted.subprotocol, bool(accepted.extensions)
        return self

    @classmethod
    async def serve(cls):
        from wsproto import ConnectionType, events
        from wsproto.extensions import PerMessageDeflate

        async def handle(reader, writer):
            self = cls(ConnectionType.SERVER, reader, writer)
            request = await self.event()
            await self.out(events.AcceptConnection(
                subprotocol="echo" if "echo" in request.subprotocols else None, extensions=[PerMessageDeflate()]))
            await behave(request.target, self)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        return server.sockets[0].getsockname()[1]

    async def out(self, event):
        self.writer.write(self.proto.send(event))
        await self.writer.drain()

    async def event(self):
        while not self.events:
            data = await self.reader.read(65536)
            self.proto.receive_data(data or None)
            self.events.extend(self.proto.events())
        return self.events.pop(0)

    async def send(self, message):
        await self.fragment(message, True)

    async def fragment(self, part, final):
        from wsproto import events

        kind = events.TextMessage if isinstance(part, str) else events.BytesMessage
        await self.out(kind(data=part, message_finished=final))

    async def ping(self, payload):
        from wsproto import events

        await self.out(events.Ping(payload=payload))

    async def pong(self):
        while not self.pongs:
            await self.step()
        return self.pongs.pop()

    async def recv(self):
        while True:
            done, message = await self.step()
            if done:
                return message

    async def step(self):
        from wsproto import ConnectionState, events

        event = await self.event()
        if isinstance(event, events.Ping):
            await self.out(event.response())
        elif isinstance(event, events.Pong):
            self.pongs.append(bytes(event.payload))
        elif isinstance(event, events.CloseConnection):
            if self.code is None:
                self.code, self.reason = int(event.code), event.reason or ""
            if self.proto.state == ConnectionState.REMOTE_CLOSING:
                await self.out(event.response())
            return True, None
        elif isinstance(event, events.Message):
            self.parts.append(event.data)
            if event.message_finished:
                whole = self.parts[0][:0].join(self.parts)
                self.parts.clear()
                return True, whole if isinstance(whole, str) else bytes(whole)
        return False, None

    async def close(self, code, reason):
        from wsproto import events

        await self.out(events.CloseConnection(code=code, reason=reason))
        if self.proto.client:
            while await self.recv() is not None:
                pass
            self.writer.close()


# The cases of a client.


def check(what, got, want):
    if got != want:
        raise AssertionError(f"{what}: got {got!r}, want {want!r}")


def echoed(message):
    async def case(library, url):
        ws = await library.connect(url)
        await ws.send(message)
        check("same", await ws.recv() == message, True)
        await ws.close(1000, "")
        check("code", ws.code, 1000)

    return case


async def many(library, url):
    ws = await library.connect(url)
    for i in range(100):
        await ws.send(f"message {i}")
    for i in range(100):
        check("order", await ws.recv(), f"message {i}")
    await ws.close(1000, "")


async def pinged(library, url):
    ws = await library.connect(url)
    for payload in [b"", b"payload", b"p" * 125]:
        await ws.ping(payload)
        check("payload", await ws.pong(), payload)
    await ws.close(1000, "")


async def fragmented(library, url):
    ws = await library.connect(url)
    await ws.fragment("frag", False)
    await ws.ping(b"between")
    await ws.fragment("", False)
    await ws.fragment("ments", True)
    check("pong", await ws.pong(), b"between")
    check("text", await ws.recv(), "fragments")
    await ws.close(1000, "")


async def subprotocol(library, url):
    ws = await library.connect(url, ["chat", "echo"])
    check("subprotocol", ws.subprotocol, "echo")
    await ws.close(1000, "")


async def declined(library, url):
    ws = await library.connect(url)
    check("compressed", bool(ws.compressed), False)
    await ws.close(1000, "")


async def closed_with_code(library, url):
    ws = await library.connect(url)
    await ws.close(4001, "bye €")
    check("code", ws.code, 4001)


async def too_big(library, url):
    ws = await library.connect(url)
    try:
        await ws.send(bytes(TOO_BIG))
    except ConnectionError:
        pass
    check("message", await ws.recv(), None)
    check("code", ws.code, 1009)


def cases(library):
    all = {}
    for n in SIZES:
        all[f"text {n}"] = echoed(("0123456789 text " * (n // 16 + 1))[:n])
        all[f"binary {n}"] = echoed(bytes((i * 7 + (i >> 8)) & 0xFF for i in range(n)))
    all["characters of all lengths"] = echoed("aé€😀\0")
    all["many in a row"] = many
    all["ping"] = pinged
    all["subprotocol"] = subprotocol
    all["deflate declined"] = declined
    all["close with code and reason"] = closed_with_code
    all["too big"] = too_big
    if hasattr(library, "fragment"):
        all["fragments with a ping between"] = fragmented
    return all


async def client(library, url):
    for name, run in cases(library).items():
        try:
            await asyncio.wait_for(run(library, url), 30)
            say(name)
        except Exception as e:
            say(f"{name}: {e!r}")
    ws = await library.connect(url)
    await ws.send("hello")
    await ws.recv()
    say("waiting")
    await ws.recv()
    say(f"closed {ws.code} {ws.reason} clean")


async def server(library):
    say(f"listening {await library.serve()}")
    await asyncio.Future()


LIBRARIES = {"aiohttp": Aiohttp, "tornado": Tornado, "wsproto": Wsproto}
asyncio.run({"client": client, "server": server}[sys.argv[2]](LIBRARIES[sys.argv[1]], *sys.argv[3:]))

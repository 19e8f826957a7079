"""A proxy in front of the MLflow server that can be slow, or answer with an error of its own.

    python -m tests.chaos_cluster.proxy HOST PORT SERVER

SERVER: its base address. Reads modes from standard input, one a line, and answers each with
`ready`:

    ok              requests and answers pass
    slow SECONDS    each answer is held back for so long
    error           each request is answered with status 500, and does not reach the server

Where the server does not take up a connection, or breaks one off, the proxy breaks off too.
"""

import asyncio
import sys
from collections.abc import Mapping

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout, web
from yarl import URL

# Of one connection and not of what is passed on (RFC 9110, 7.6.1), and what aiohttp sets itself.
_OWN = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host",
        "content-length"}  # fmt: skip
MOST_BYTES = 1 << 30


class Proxy:
    """Passes requests on, as its mode has it."""

    def __init__(self, server: str) -> None:
        self._server = server
        self.mode = "ok"
        self.delay_s = 0.0

    def become(self, line: str) -> None:
        """Take up a mode; ValueError where it is none."""
        match line.split():
            case ["slow", seconds]:
                self.mode, self.delay_s = "slow", float(seconds)
            case [("ok" | "error") as mode]:
                self.mode, self.delay_s = mode, 0.0
            case _:
                raise ValueError(f"no mode of a proxy: {line!r}")

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """The server's answer to a request, or what comes in its place."""
        body = await request.read()
        if self.mode == "error":
            return web.Response(status=500, text="out of order")
        try:
            async with (
                ClientSession(auto_decompress=False, timeout=ClientTimeout(None)) as session,
                session.request(
                    request.method,
                    URL(f"{self._server}{request.raw_path}", encoded=True),
                    headers=_passed_on(request.headers),
                    data=body,
                    allow_redirects=False,
                ) as answer,
            ):
                said = await answer.read()
        except ClientConnectionError:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        await asyncio.sleep(self.delay_s)
        return web.Response(status=answer.status, headers=_passed_on(answer.headers), body=said)


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _OWN}


async def _obey(proxy: Proxy) -> None:
    """Take up modes until standard input ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        proxy.become(line)
        _ready()


def _ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


async def serve(host: str, port: int, server: str) -> None:
    """Serve until standard input ends."""
    proxy = Proxy(server)
    application = web.Application(client_max_size=MOST_BYTES)
    application.router.add_route("*", "/{path:.*}", proxy.pass_on)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    _ready()
    await _obey(proxy)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))

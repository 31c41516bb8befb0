"""asyncio streams: "serve PORT LOOP" echoes, "drive PORT LOOP" sends by many connections at once and prints what came back."""

import asyncio
import hashlib
import random
import sys


async def echo(reader, writer):
    while data := await reader.read(30_000):
        writer.write(data)
        await writer.drain()
    # The client has closed its half; ours still carries the last word.
    writer.write(b"bye")
    writer.close()


async def serve(port):
    async with await asyncio.start_server(echo, "127.0.0.1", port) as server:
        await server.serve_forever()


async def talk(port, seed):
    choice = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    digest = hashlib.sha256()
    for _ in range(100):
        message = choice.randbytes(choice.choice((1, 10, 500, 5_000, 70_000)))
        writer.write(message)
        await writer.drain()
        back = await reader.readexactly(len(message))
        assert back == message
        digest.update(back)
    writer.write_eof()
    rest = await reader.read()
    writer.close()
    return f"{seed} {digest.hexdigest()} {rest}"


async def drive(port):
    for line in await asyncio.gather(*(talk(port, seed) for seed in range(8))):
        print(line)


if sys.argv[3] == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run({"serve": serve, "drive": drive}[sys.argv[1]](int(sys.argv[2])))

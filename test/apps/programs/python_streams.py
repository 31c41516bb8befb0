"""asyncio streams: "serve PORT" echoes, "drive PORT" sends by many connections at once and prints what came back."""

import asyncio
import hashlib
import random
import sys


async def echo(reader, writer):
    while data := await reader.read(30_000):
        writer.write(data)
        await writer.drain()
    # The client has closed its half; ours still carries the last line.
    writer.write(b"bye\n")
    writer.close()
    await writer.wait_closed()


async def serve(port):
    async with await asyncio.start_server(echo, "127.0.0.1", port) as server:
        await server.serve_forever()


async def talk(port, seed):
    choice = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    digest = hashlib.sha256()
    for _ in range(150):
        message = choice.randbytes(choice.choice((1, 10, 500, 5_000, 70_000)))
        writer.write(message)
        await writer.drain()
        back = await reader.readexactly(len(message))
        assert back == message
        digest.update(back)
    # Much more than any buffer holds, while the echo comes back at the same time.
    bulk = choice.randbytes(3_000_000)
    sent = asyncio.create_task(send_all(writer, bulk))
    digest.update(await reader.readexactly(len(bulk)))
    await sent
    writer.write_eof()
    rest = await reader.read()
    writer.close()
    await writer.wait_closed()
    return f"{seed} {digest.hexdigest()} {rest}"


async def send_all(writer, data):
    writer.write(data)
    await writer.drain()


async def drive(port):
    for line in await asyncio.gather(*(talk(port, seed) for seed in range(12))):
        print(line)


asyncio.run({"serve": serve, "drive": drive}[sys.argv[1]](int(sys.argv[2])))

"""HTTP/1.1 pipelining: sends 60 requests at once over one connection, and reads their answers in order. argv[1] is the port."""

import socket
import sys

ROUNDS, DEPTH = 3000 // 60, 60

body = "".join(f"{number}\n" for number in range(1, 301)).encode()
right = 0
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30) as connection:
    answers = connection.makefile("rb")
    for _ in range(ROUNDS):
        connection.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n" * DEPTH)
        for _ in range(DEPTH):
            status = answers.readline()
            length = 0
            while (line := answers.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            right += status.startswith(b"HTTP/1.1 200 ") and answers.read(length) == body
print(f"{right} answers, {DEPTH} at a time, all right" if right == ROUNDS * DEPTH else f"only {right} answers are right")

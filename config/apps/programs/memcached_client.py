"""Stores and reads back values of many sizes over several connections to memcached."""

import socket
import sys


def connect():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1]))).makefile("rwb", buffering=0)


def line(stream):
    text = b""
    while not text.endswith(b"\r\n"):
        text += stream.read(1)
    return text.strip().decode()


def store(stream, key, value):
    stream.write(f"set {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
    return line(stream)


def fetch(stream, key):
    stream.write(f"get {key}\r\n".encode())
    head = line(stream).split()
    value = b""
    while len(value) < int(head[3]) + 2:
        value += stream.read(int(head[3]) + 2 - len(value))
    assert line(stream) == "END"
    return value[:-2]


streams = [connect() for _ in range(4)]
values = {f"key{i}": bytes([i % 256]) * (i * 37) for i in range(200)}
stored = sum(store(streams[i % 4], key, value) == "STORED" for i, (key, value) in enumerate(values.items()))
equal = sum(fetch(streams[(i + 1) % 4], key) == value for i, (key, value) in enumerate(values.items()))
print(f"stored {stored}, equal {equal}")
large = bytes(range(256)) * 3000
store(streams[0], "large", large)
print("large", fetch(streams[1], "large") == large)
streams[0].write(b"incr missing 1\r\nset n 0 0 1\r\n1\r\nincr n 41\r\n")
print(line(streams[0]), line(streams[0]), line(streams[0]))

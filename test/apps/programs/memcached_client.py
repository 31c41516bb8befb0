"""Speaks memcached's text protocol over several connections and prints what came back, as sums."""

import hashlib
import random
import socket
import sys


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.file = self.socket.makefile("rb")

    def ask(self, request):
        self.socket.sendall(request)
        return self.file.readline().rstrip().decode()

    def store(self, key, value, verb="set"):
        return self.ask(f"{verb} {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")

    def fetch(self, keys):
        """Key -> value of those that are there."""
        self.socket.sendall(f"get {' '.join(keys)}\r\n".encode())
        found = {}
        while (line := self.file.readline().split())[0] != b"END":
            found[line[1].decode()] = self.file.read(int(line[3]))
            self.file.read(2)
        return found


def main():
    port = int(sys.argv[1])
    random.seed(7)
    clients = [Client(port) for _ in range(8)]
    digest = hashlib.sha256()
    for number in range(2000):
        client = clients[number % len(clients)]
        value = random.randbytes(random.choice((0, 1, 100, 1000, 20_000)))
        digest.update(client.store(f"key{number}", value).encode())
        digest.update(clients[(number * 3) % len(clients)].fetch([f"key{number}"])[f"key{number}"])
    big = random.randbytes(900_000)
    print("big", clients[0].store("big", big), clients[1].fetch(["big"])["big"] == big)
    print("many", len(clients[2].fetch([f"key{number}" for number in range(500)])), clients[2].fetch(["missing"]))
    print("add", clients[3].store("key1", b"x", "add"), clients[3].store("fresh", b"41", "add"), clients[4].ask(b"incr fresh 1\r\n"))
    print("too big", clients[5].store("huge", b"x" * 3_000_000))
    print("error", clients[6].ask(b"nonsense\r\n"))
    # Requests sent ahead of their replies, as client libraries do for "noreply" and quiet gets.
    clients[7].socket.sendall(b"".join(b"set ahead%d 0 0 3 noreply\r\nabc\r\n" % number for number in range(1000)) + b"get ahead999\r\n")
    print("ahead", [clients[7].file.readline() for _ in range(3)])
    print("sum", digest.hexdigest())


main()

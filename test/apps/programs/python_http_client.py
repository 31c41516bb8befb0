"""Fetches files from a web server over kept connections and prints their sums."""

import hashlib
import http.client
import sys
import threading


def fetch(port, count, lines, index):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    digest = hashlib.sha256()
    for number in range(count):
        name = ("small", "page", "empty", "missing")[(index + number) % 4] if number % 10 else "big"
        connection.request("HEAD" if number % 7 == 3 else "GET", f"/{name}")
        response = connection.getresponse()
        body = response.read()
        digest.update(f"{name} {response.status} {len(body)} ".encode() + body)
    connection.close()
    lines[index] = f"{index} {digest.hexdigest()}"


def main():
    lines = {}
    threads = [threading.Thread(target=fetch, args=(int(sys.argv[1]), 60, lines, index)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("\n".join(lines[index] for index in sorted(lines)))


main()

"""A multiprocessing manager on TCP: "serve PORT" holds a list and a queue, "drive PORT" uses them by proxy."""

import queue
import sys
from multiprocessing.managers import BaseManager, ListProxy


class Manager(BaseManager):
    pass


items, jobs = [], queue.Queue()
serving = sys.argv[1] == "serve"
Manager.register("items", *([lambda: items, ListProxy] if serving else [None, ListProxy]))
Manager.register("jobs", *([lambda: jobs] if serving else []))
manager = Manager(("127.0.0.1", int(sys.argv[2])), b"secret")
if serving:
    manager.get_server().serve_forever()
manager.connect()
proxy, work = manager.items(), manager.jobs()
for number in range(500):
    proxy.append(number)
    work.put(number)
total = sum(work.get() for _ in range(500))
print(len(proxy), total)
proxy.append("x" * 1_000_000)
print(len(proxy[500]))

"""Report files (core/stats.h): creating an empty one and reading its records, without the addon."""

import os
import struct
from dataclasses import dataclass

MAGIC = 0x3153544154535352
VERSION = 1
HEAD_BYTES = 256
RECORD_BYTES = 256
HEAD = struct.Struct("<QIIIII")
# state pid fd reason | send recv family accepted | ports | addresses | 3 times, 8 counters | program
RECORD = struct.Struct("<IIiI4BHH16s16s11Q32s")
SHM = 1


@dataclass(frozen=True)
class Connection:
    """One record, as one process saw one connection."""

    state: int
    pid: int
    reason: int
    send_transport: int
    recv_transport: int
    accepted: bool
    local_port: int
    peer_port: int
    promoted_ns: int
    recv_bytes: int
    send_bytes: int
    shm_recv_bytes: int
    shm_send_bytes: int
    sleeps: int
    spins: int
    program: str

    @property
    def service_port(self):
        """The listening end's port."""
        return self.local_port if self.accepted else self.peer_port

    @property
    def promoted(self):
        return self.promoted_ns != 0


def create(path, capacity=65536):
    """Makes an empty report at PATH that processes of every user may fill."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        os.fchmod(descriptor, 0o666)
        os.write(descriptor, HEAD.pack(MAGIC, VERSION, RECORD_BYTES, capacity, 0, 0))
        os.ftruncate(descriptor, HEAD_BYTES + capacity * RECORD_BYTES)
    finally:
        os.close(descriptor)


def read(path):
    """Returns (connections, processes, dropped) of the report at PATH."""
    with open(path, "rb") as report:
        head = report.read(HEAD_BYTES)
        magic, version, size, capacity, handed_out, processes = HEAD.unpack_from(head)
        if magic != MAGIC or version != VERSION or size < RECORD.size:
            raise ValueError(f"{path} is not a report of version {VERSION}")
        body = report.read(size * min(handed_out, capacity))
    connections = []
    for offset in range(0, len(body) - size + 1, size):
        field = RECORD.unpack_from(body, offset)
        if field[0] == 0:
            continue
        connections.append(
            Connection(
                state=field[0], pid=field[1], reason=field[3], send_transport=field[4], recv_transport=field[5],
                accepted=bool(field[7]), local_port=field[8], peer_port=field[9], promoted_ns=field[13],
                recv_bytes=field[15], send_bytes=field[16], shm_recv_bytes=field[19], shm_send_bytes=field[20],
                sleeps=field[21], spins=field[22], program=field[23].split(b"\0", 1)[0].decode(errors="replace"),
            )
        )
    return connections, processes, max(0, handed_out - capacity)

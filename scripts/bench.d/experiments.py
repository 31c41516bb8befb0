"""What is measured: each experiment starts one server and one client and returns named figures."""

import json
import os
import re
from dataclasses import dataclass

from session import Failed

PLAIN, OURS = "plain", "ours"


@dataclass(frozen=True)
class Side:
    label: str
    mode: str
    settings: str = ""
    pin: tuple | None = None  # CPUs of server and client
    traced: bool = False  # the flight recorder in a file, with RSOCKET_TRACE
    library: str | None = None  # another one than --library, from the same directory


@dataclass(frozen=True)
class Line:
    """A line of the table. OURS and BASE are "experiment/side/figure"."""

    title: str
    unit: str
    ours: str
    base: str | None = None
    lower_is_better: bool = False
    goal: float | None = None  # at least this ratio to BASE
    limit: float | None = None  # or at most this value


@dataclass(frozen=True)
class Experiment:
    name: str
    measure: object  # Session -> {figure: value}
    sides: tuple
    lines: tuple
    promotes: bool = True


def pair(settings="", pin=None):
    return (Side(PLAIN, "plain", pin=pin), Side(OURS, "both", settings, pin))


ONE_CPU, TWO_CPUS = (0, 0), (0, 1)


def plain_peer(pin):
    """Pinned: where the scheduler puts two processes decides more than the 2 % that is looked for."""
    return (Side(PLAIN, "plain", pin=pin), Side("server", "server", pin=pin), Side("client", "client", pin=pin))



def fields(output):
    return {name: float(value) for name, value in (line.split() for line in output.splitlines() if line.strip())}


def find(pattern, output):
    match = re.search(pattern, output)
    if not match:
        raise Failed(f"no figure in:\n{output}")
    return float(match[1])


def whole_seconds(session):
    return max(1, round(session.seconds))


def yardstick(session):
    program = session.program("yardstick")
    rounds = int(400_000 * session.seconds)
    return {
        "ring_us": fields(session.run(program, "ring", rounds))["half_round_trip_us"],
        "futex_us": fields(session.run(program, "futex", rounds // 20, *TWO_CPUS))["half_round_trip_us"],
        "futex_one_cpu_us": fields(session.run(program, "futex", rounds // 4, *ONE_CPU))["half_round_trip_us"],
        "memcpy_gb": fields(session.run(program, "memcpy", 1 << 20, 8 << 20, int(session.seconds * 500)))["bytes_per_s"] / 1e9,
    }


def sockperf_serve(session):
    session.serve("sockperf", "server", "--tcp", "-i", "127.0.0.1", "-p", session.port)


def pingpong(session):
    sockperf_serve(session)
    # Unpaced, sockperf fails when it gets through more than 600,000 rounds a second.
    output = session.run(
        "sockperf", "pp", "--tcp", "-i", "127.0.0.1", "-p", session.port, "-m", 64, "-t", whole_seconds(session), "--mps", 500_000,
    )
    return {"median_us": find(r"percentile 50\.000 =\s*([\d.]+)", output), "p99_us": find(r"percentile 99\.000 =\s*([\d.]+)", output)}


def sockperf_throughput(session):
    sockperf_serve(session)
    output = session.run("sockperf", "tp", "--tcp", "-i", "127.0.0.1", "-p", session.port, "-m", 64, "-t", whole_seconds(session))
    return {"rate": find(r"Message Rate is (\d+)", output)}


def stream(size, read_size, *more):
    def measure(session):
        session.serve(session.program("stream"), "serve", session.port, read_size)
        found = fields(session.run(session.program("stream"), "drive", session.port, size, int(session.seconds * 1000), *more))
        return {"rate": found["messages_per_s"], "gb": found["bytes_per_s"] / 1e9}

    return measure


def iperf3(session):
    session.serve("iperf3", "-s", "-B", "127.0.0.1", "-p", session.port)
    output = session.run("iperf3", "-c", "127.0.0.1", "-p", session.port, "-t", whole_seconds(session), "-J")
    return {"gb": json.loads(output)["end"]["sum_received"]["bits_per_second"] / 8e9}


def redis(pipeline):
    def measure(session):
        session.serve("redis-server", "--port", session.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--daemonize", "no")
        count = int(session.seconds * (200_000 if pipeline == 1 else 1_000_000))
        output = session.run(
            "redis-benchmark", "-h", "127.0.0.1", "-p", session.port, "-t", "set,get", "-c", 50, "-n", count, "-P", pipeline, "--csv",
        )
        return {name.lower(): find(rf'"{name}","([\d.]+)"', output) for name in ("GET", "SET")}

    return measure


def memcached(session):
    session.serve("memcached", "-u", "memcache", "-l", "127.0.0.1", "-p", session.port, "-U", 0)
    found = fields(session.run(session.program("memload"), session.port, 50, int(session.seconds * 700)))
    return {"get": found["gets_per_s"], "set": found["sets_per_s"]}


NGINX = """daemon off; worker_processes 1; pid {0}/nginx.pid; error_log stderr warn; user root;
events {{ worker_connections 512; }}
http {{
	access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
	client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3; uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5;
	server {{ listen 127.0.0.1:{1}; root {0}/www; }}
}}
"""


def nginx(session):
    root = session.directory
    (root / "www").mkdir()
    (root / "www" / "1k").write_bytes(b"x" * 1024)
    (root / "nginx.conf").write_text(NGINX.format(root, session.port))
    session.serve("/usr/sbin/nginx", "-e", "stderr", "-p", root, "-c", root / "nginx.conf")
    output = session.run("wrk", "-t", 1, "-c", 50, "-d", whole_seconds(session), f"http://127.0.0.1:{session.port}/1k")
    if "Non-2xx" in output or "Socket errors" in output:
        raise Failed(output)
    return {"rate": find(r"Requests/sec:\s*([\d.]+)", output)}


def postgresql_tool(name):
    versions = sorted(os.listdir("/usr/lib/postgresql"), key=float)
    return f"/usr/lib/postgresql/{versions[-1]}/bin/{name}"


def pgbench(session):
    user = "postgres" if os.geteuid() == 0 else None
    data = session.directory / "data"
    mode, session.mode = session.mode, "plain"
    os.chmod(session.directory, 0o777)
    session.run(postgresql_tool("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", user=user)
    session.mode = mode
    session.serve(
        postgresql_tool("postgres"), "-D", data, "-p", session.port, "-h", "127.0.0.1", "-k", session.directory,
        "-c", "fsync=off", "-c", "autovacuum=off", user=user,
    )
    target = ["-h", "127.0.0.1", "-p", session.port, "-U", "postgres"]
    session.mode = "plain"
    session.run(postgresql_tool("pgbench"), *target, "-i", "-q", "-s", 1, "postgres", user=user)
    session.mode = mode
    output = session.run(postgresql_tool("pgbench"), *target, "-S", "-n", "-c", 4, "-j", 1, "-T", whole_seconds(session), "postgres", user=user)
    return {"rate": find(r"tps = ([\d.]+)", output)}


def rstream_once(session, size, transfers, rounds):
    """Gb/s and us a transfer of rdma-core's rstream: over rsockets, or over kernel sockets on the plain side."""
    words = ("-p", session.port, "-S", size, "-C", transfers, "-I", max(1, round(rounds * session.seconds)))
    if session.mode == "plain":
        words += ("-T", "s")
    server = session.serve("rstream", "-b", "127.0.0.1", *words)
    output = session.run("rstream", "-s", "127.0.0.1", *words)
    server.wait(10)
    result = re.search(r"s +([\d.]+) +([\d.]+)$", output, re.M)
    if not result:
        raise Failed(f"no figure in:\n{output}")
    return float(result[1]), float(result[2])


def rstream(session):
    return {
        "latency_us": rstream_once(session, 64, 1, 30_000)[1],
        "gb_64k": rstream_once(session, 64 << 10, 1000, 4)[0] / 8,
        "gb_1m": rstream_once(session, 1 << 20, 100, 3)[0] / 8,
    }


def placement(session):
    """The same blocks by riowrite into the peer's buffer, and by rsend and rrecv."""
    figures = {}
    for mode in ("write", "send"):
        server = session.serve(session.program("placement"), "serve", session.port)
        found = fields(session.run(session.program("placement"), "drive", session.port, mode, int(session.seconds * 1000)))
        server.wait(10)
        figures |= {f"{mode}_{name}": value for name, value in found.items()}
    return figures


def datagrams(session):
    server = session.serve(session.program("datagrams"), "serve", session.port)
    found = fields(session.run(session.program("datagrams"), "drive", session.port, int(session.seconds * 50_000)))
    server.wait(10)
    return found


def churn(session):
    session.serve(session.program("churn"), "serve", session.port)
    return {"rate": fields(session.run(session.program("churn"), "drive", session.port, int(session.seconds * 1000)))["connections_per_s"]}


def elsewhere(session):
    return fields(session.run(session.program("elsewhere"), int(session.seconds * 1_000_000)))


IDLE_CONNECTIONS = 10_000


def idle(session):
    server = session.serve(session.program("idle"), "serve", session.port, IDLE_CONNECTIONS)
    output = session.run(
        session.program("idle"), "drive", session.port, server.pid, IDLE_CONNECTIONS, int(session.seconds * 20_000), int(session.seconds * 1500),
    )
    found = fields(output)
    if session.mode == "both" and found["idle_promoted"] < IDLE_CONNECTIONS:
        print(f"    only {found['idle_promoted']:.0f} of {IDLE_CONNECTIONS} idle connections are promoted")
    found["rss_kib"] = max(found["client_rss_kib"], found["server_rss_kib"])
    found["pss_kib"] = found["client_pss_kib"] + found["server_pss_kib"]
    found["cpu_percent"] = max(found["idle_client_cpu_percent"], found["idle_server_cpu_percent"])
    return found


def versus(name, figure, title, unit, goal=None, lower=False, side=OURS):
    return Line(title, unit, f"{name}/{side}/{figure}", f"{name}/{PLAIN}/{figure}", lower, goal)


EXPERIMENTS = (
    Experiment("yardstick", yardstick, (Side("machine", "plain"),), (
        Line("bare shared ring, 64 B ping-pong, two spinning processes", "us", "yardstick/machine/ring_us", lower_is_better=True),
        Line("bare futex ping-pong, two sleeping processes on two CPUs", "us", "yardstick/machine/futex_us", lower_is_better=True),
        Line("bare futex ping-pong, two sleeping processes on one CPU", "us", "yardstick/machine/futex_one_cpu_us", lower_is_better=True),
        Line("memcpy of 1 MiB blocks through 8 MiB", "GB/s", "yardstick/machine/memcpy_gb"),
    ), promotes=False),
    Experiment("pingpong", pingpong, pair(), (
        versus("pingpong", "median_us", "sockperf ping-pong 64 B, median", "us", 20, lower=True),
        Line("the same against the bare ring", "us", f"pingpong/{OURS}/median_us", "yardstick/machine/ring_us", True, 0.5),
    )),
    Experiment("flight-recorder", pingpong, (Side("memory", "both"), Side("file", "both", traced=True)), (
        Line("sockperf ping-pong 64 B, with RSOCKET_TRACE against without", "us", "flight-recorder/file/median_us", "flight-recorder/memory/median_us", True, 0.97),
    )),
    Experiment("pingpong-sleeping", pingpong, pair("polling_time=0"), (
        versus("pingpong-sleeping", "median_us", "sockperf ping-pong 64 B, polling_time=0", "us", 2, lower=True),
        Line("the same against the bare futex on two CPUs", "us", f"pingpong-sleeping/{OURS}/median_us", "yardstick/machine/futex_us", True),
    )),
    Experiment("pingpong-one-cpu", pingpong, pair(pin=ONE_CPU), (
        versus("pingpong-one-cpu", "median_us", "sockperf ping-pong 64 B, both ends on one CPU", "us", lower=True),
    )),
    Experiment("pingpong-sleeping-one-cpu", pingpong, pair("polling_time=0", ONE_CPU), (
        versus("pingpong-sleeping-one-cpu", "median_us", "the same, polling_time=0", "us", 2, lower=True),
        Line("the same against the bare futex on one CPU", "us", f"pingpong-sleeping-one-cpu/{OURS}/median_us", "yardstick/machine/futex_one_cpu_us", True),
    )),
    Experiment("messages", stream(64, 64), pair(), (
        versus("messages", "rate", "64 B messages one way, TCP_NODELAY, read one by one", "1/s", 30),
    )),
    Experiment("messages-bulk", stream(64, 65536), pair(), (
        versus("messages-bulk", "rate", "64 B messages one way, TCP_NODELAY, read 64 KiB at a time", "1/s", 30),
    )),
    Experiment("messages-nagle", stream(64, 65536, "nagle"), pair(), (
        versus("messages-nagle", "rate", "the same without TCP_NODELAY", "1/s"),
    )),
    Experiment("messages-sockperf", sockperf_throughput, pair(), (
        versus("messages-sockperf", "rate", "64 B messages one way, sockperf throughput", "1/s", 30),
    )),
    Experiment("stream", stream(1 << 20, 1 << 20), pair(), (
        versus("stream", "gb", "1 MiB messages one way", "GB/s", 3),
        Line("the same against one memcpy", "GB/s", f"stream/{OURS}/gb", "yardstick/machine/memcpy_gb", goal=0.7),
    )),
    Experiment("iperf3", iperf3, pair(), (versus("iperf3", "gb", "iperf3, single stream", "GB/s", 3),)),
    Experiment("redis", redis(1), pair(), (
        versus("redis", "get", "redis-benchmark GET, 50 clients", "1/s", 5),
        versus("redis", "set", "redis-benchmark SET, 50 clients", "1/s", 5),
    )),
    Experiment("redis-pipeline", redis(16), pair(), (
        versus("redis-pipeline", "get", "redis-benchmark GET, 50 clients, pipeline of 16", "1/s"),
        versus("redis-pipeline", "set", "redis-benchmark SET, 50 clients, pipeline of 16", "1/s"),
    )),
    Experiment("memcached", memcached, pair(), (
        versus("memcached", "get", "memcached get, 50 connections", "1/s", 2.5),
        versus("memcached", "set", "memcached set, 50 connections", "1/s", 2.5),
    )),
    Experiment("nginx", nginx, pair(), (versus("nginx", "rate", "nginx, 1 KiB, keep-alive, wrk with 50 connections", "1/s", 2.5),)),
    Experiment("pgbench", pgbench, pair(), (versus("pgbench", "rate", "pgbench -S, 4 clients", "1/s", 1.3),)),
    Experiment("rstream", rstream, (Side(PLAIN, "plain"), Side(OURS, "both", library="librsocket.so")), (
        versus("rstream", "latency_us", "rstream 64 B latency, rsockets against its -T s", "us", 20, lower=True),
        versus("rstream", "gb_64k", "rstream 64 KiB bandwidth", "GB/s", 3),
        versus("rstream", "gb_1m", "rstream 1 MiB bandwidth", "GB/s", 3),
    )),
    Experiment("placement", placement, (Side(OURS, "both", library="librsocket.so"),), (
        Line("1 MiB by riowrite against rsend and rrecv", "GB/s", f"placement/{OURS}/write_gb", f"placement/{OURS}/send_gb", goal=1.5),
        Line("the same, CPU time of both ends a gigabyte", "s", f"placement/{OURS}/write_cpu_s_per_gb", f"placement/{OURS}/send_cpu_s_per_gb", True, 1.5),
        Line("riowrite, CPU time of the passive end a gigabyte", "s", f"placement/{OURS}/write_passive_cpu_s_per_gb", lower_is_better=True, limit=0.001),
    )),
    Experiment("datagrams", datagrams, (
        Side("kernel", "both", "transport=tcp", library="librsocket.so"), Side(OURS, "both", library="librsocket.so"),
    ), (
        Line("64 B ping-pong of datagram rsockets, against kernel UDP, median", "us", f"datagrams/{OURS}/median_us", "datagrams/kernel/median_us", True),
    ), promotes=False),
    Experiment("elsewhere", elsewhere, (Side(OURS, "both"),), (
        Line("read or write of what is no socket, /dev/zero and /dev/null, against libc's", "ns", f"elsewhere/{OURS}/here_ns", f"elsewhere/{OURS}/libc_ns", True),
        Line("the same, more than libc's", "ns", f"elsewhere/{OURS}/more_ns", lower_is_better=True, limit=5),
    ), promotes=False),
    Experiment("churn", churn, pair(), (versus("churn", "rate", "connect, exchange 64 B, close", "1/s", 0.95),), promotes=False),
    Experiment("plain-peer-pingpong", pingpong, plain_peer(ONE_CPU), tuple(
        versus("plain-peer-pingpong", "median_us", f"sockperf ping-pong 64 B on one CPU, only the {side} preloaded", "us", 0.98, True, side)
        for side in ("server", "client")
    ), promotes=False),
    Experiment("plain-peer-stream", stream(1 << 20, 1 << 20), plain_peer(TWO_CPUS), tuple(
        versus("plain-peer-stream", "gb", f"1 MiB messages one way, only the {side} preloaded", "GB/s", 0.98, side=side)
        for side in ("server", "client")
    ), promotes=False),
    Experiment("idle", idle, pair(), (
        Line("busy connection beside 10,000 idle ones, against alone (kernel TCP)", "us", f"idle/{PLAIN}/beside_us", f"idle/{PLAIN}/alone_us", True),
        Line("busy connection beside 10,000 idle ones, against alone (promoted)", "us", f"idle/{OURS}/beside_us", f"idle/{OURS}/alone_us", True, 0.9),
        Line("resident memory of an idle promoted connection, per side", "KiB", f"idle/{OURS}/rss_kib", lower_is_better=True, limit=32),
        Line("the same, proportional, both sides together", "KiB", f"idle/{OURS}/pss_kib", lower_is_better=True),
        Line("CPU of an idle process with 10,000 promoted connections", "%", f"idle/{OURS}/cpu_percent", lower_is_better=True, limit=0.05),
    )),
)

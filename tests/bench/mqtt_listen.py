#!/usr/bin/python3
"""Messages per second through `listen`: publisher, pipe and PostgreSQL on one machine, 200-byte JSON payloads, 8 connections, memory = 32 MiB.

    cmake --build --preset release && cmake --build --preset release --target mqtt_publish_bench
    tests/bench/mqtt_listen.py [MESSAGES]

QoS 1 is acknowledged after the sink's commit (PostgreSQL with fsync on). Of three runs each the median; RSS is the largest that the process ever had.
"""

import os
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from postgres_server import PostgresServer, free_port  # noqa: E402

BUILD = Path(os.environ.get("PIPE_BUILD", ROOT / "build" / "release"))
MESSAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
COLUMNS = "SELECT device, temp::double precision AS temp, hum::double precision AS hum, meta.topic AS topic FROM input"
CASES = [  # name, QoS, format, query, sink, table
    ("QoS 0 → null", 0, "json", None, 'type = "null"', None),
    ("QoS 1 → null", 1, "json", None, 'type = "null"', None),
    ("QoS 1 → postgres, 4 columns of the JSON", 1, "json", COLUMNS, "postgres", "device text, temp float8, hum float8, topic text"),
    ("QoS 1 → postgres, topic and whole payload", 1, "raw", "SELECT meta.topic AS topic, payload FROM input", "postgres", "topic text, payload bytea"),
]


def peak(pid):
    return next(int(line.split()[1]) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")) / 1024


def psql(server, sql):
    subprocess.run(["psql", "-q", server.socket_url, "-c", sql], check=True, stdout=subprocess.DEVNULL)


def start(server, directory, case, port):
    name, qos, kind, query, sink, table = case
    transform = f"[transforms.q]\ntype = \"sql\"\ninputs = [\"in\"]\nquery = \"{query}\"\n" if query else ""
    if sink == "postgres":
        psql(server, f"DROP TABLE IF EXISTS t; CREATE TABLE t ({table})")
        sink = f'type = "postgres"\nurl = "{server.socket_url}"\ntable = "t"'
    file = directory / "pipeline.toml"
    file.write_text(f"""[pipeline]
name = "bench"
memory = "32MiB"
[sources.in]
type = "mqtt"
listen = "127.0.0.1:{port}"
format = "{kind}"
{transform}[sinks.out]
{sink}
inputs = ["{'q' if query else 'in'}"]
""")
    return subprocess.Popen([BUILD / "bin/pipe", "run", "-q", "--no-progress", file], stderr=subprocess.PIPE, text=True)


def latencies(port, seconds=10, rate=1000):
    """From the publishing of a QoS 1 message to its PUBACK, in milliseconds."""
    for _ in range(500):
        try:
            s = socket.create_connection(("127.0.0.1", port))
            break
        except ConnectionRefusedError:
            time.sleep(0.02)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(b"\x10\x10\0\4MQTT\4\2\0\0\0\4slow")
    assert s.recv(4) == b"\x20\2\0\0"
    payload = b'{"device":"sensor-1","temp":23.75,"hum":41.5,"pad":"%s"}' % (b"x" * 147)
    sent, took, count, received = {}, [], seconds * rate, b""
    begin = time.perf_counter()
    while len(took) < count:
        now = time.perf_counter()
        number = len(sent) + len(took)
        if number < count and now >= begin + number / rate:
            body = b"\0\1t" + struct.pack(">H", number % 65535 + 1) + payload
            sent[number % 65535 + 1] = now
            s.sendall(b"\x32" + bytes([len(body) & 127 | 128, len(body) >> 7]) + body)
            continue
        wait = begin + number / rate - now if number < count else 1
        if select.select([s], [], [], max(wait, 0))[0]:
            received += s.recv(4096)
            now = time.perf_counter()
            while len(received) >= 4:
                took.append((now - sent.pop(struct.unpack(">H", received[2:4])[0])) * 1000)
                received = received[4:]
    return statistics.median(took), sorted(took)[len(took) * 99 // 100]


def run(server, directory, case):
    name, qos = case[:2]
    port = free_port()
    pipe = start(server, directory, case, port)
    rates = []
    for _ in range(4):
        for _ in range(200):  # until it listens
            done = subprocess.run([BUILD / "bin/mqtt_publish_bench", "127.0.0.1", str(port), str(qos), str(MESSAGES), "8", "200"], capture_output=True,
                                  text=True)
            if done.returncode == 0 or "refused" not in done.stderr:
                break
        if done.returncode:
            raise SystemExit(done.stderr + pipe.stderr.read())
        rates.append(float(done.stdout.split()[1]))
    rss = peak(pipe.pid)
    pipe.terminate()
    pipe.wait()
    print(f"{name:<42} {statistics.median(rates[1:]):>12,.0f} {rss:>8.1f}   {' '.join(f'{r:,.0f}' for r in rates[1:])}", flush=True)


with tempfile.TemporaryDirectory() as scratch:
    os.chmod(scratch, 0o755)
    server = PostgresServer(Path(scratch) / "postgres").start()
    try:
        psql(server, "ALTER SYSTEM SET fsync = on")
        psql(server, "SELECT pg_reload_conf()")
        print(f"{MESSAGES:,} messages a run; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
        print(f"{'':<42} {'messages/s':>12} {'RSS MiB':>8}   each run")
        for case in CASES:
            run(server, Path(scratch), case)
        port = free_port()
        pipe = start(server, Path(scratch), CASES[2], port)
        print("\nPUBLISH to PUBACK at 1,000 messages/s, QoS 1 → postgres: p50 %.1f ms, p99 %.1f ms" % latencies(port))
        pipe.terminate()
        pipe.wait()
    finally:
        server.remove()

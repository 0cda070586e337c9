"""A pipeline whose standard input is spooled, fed line by line while it runs; what it acknowledged is asked for over its control socket."""

import os
import socket
import struct
import subprocess
import threading
from pathlib import Path

from conftest import Running, wait_until

HEAD = """
[pipeline]
name = "spooled"
memory = "{memory}"
drain_timeout = "60s"
[sources.in]
type = "stdin"
format = "json"
ack = "spooled"
[sources.in.spool]
{spool}
"""
ARCHIVE = """
[sinks.archive]
type = "file"
inputs = ["in"]
path = "archive.ndjson"
"""


def warehouse(postgres, more=""):
    return f"""
[transforms.numbers]
type = "sql"
inputs = ["in"]
query = "SELECT k::bigint AS k FROM input"
[sinks.warehouse]
type = "postgres"
inputs = ["numbers"]
url = "{postgres.url}"
table = "t"
{more}
"""


def spooled(pipeline, sinks, spool="", memory="64MiB", **more):
    return pipeline(HEAD.format(spool=spool, memory=memory) + sinks, **more)


def line(k, pad=100):
    return b'{"k":%d,"pad":"%s"}\n' % (k, b"x" * pad)


def ask(p, command):
    """One line over the control socket; "" while there is none."""
    with socket.socket(socket.AF_UNIX) as s:
        try:
            directory = os.open(p.directory / "state" / "spooled", os.O_PATH)
        except FileNotFoundError:
            return ""
        try:
            s.connect(f"/proc/self/fd/{directory}/control.sock")
            s.sendall(command.encode() + b"\n")
            answer = b""
            while chunk := s.recv(65536):
                answer += chunk
            return answer.decode()
        except OSError:
            return ""
        finally:
            os.close(directory)


def metric(p, name, **labels):
    """Its value, or None while the pipeline does not answer."""
    for entry in ask(p, "metrics").splitlines():
        if entry.startswith(name + "{") and all(f'{k}="{v}"' in entry for k, v in labels.items()):
            return float(entry.rsplit(" ", 1)[1])
    return None


class Fed(Running):
    """A run whose input a thread of ours writes: records k = first, first + 1, …; `sent` is how many went in whole."""

    def __init__(self, p, first, pad=100, most=None):
        with open(p.directory / "stderr", "a") as stderr:
            process = subprocess.Popen(p.command("run"), env=p.environment, cwd=p.directory, stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=stderr)
        super().__init__(p, process)
        p.running.append(self)
        self.first, self.sent, self.pad, self.most = first, 0, pad, most
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.feed, daemon=True)
        self.thread.start()

    def feed(self):
        try:
            while not self.stop.is_set() and self.sent != self.most:
                count = 100 if self.most is None else min(100, self.most - self.sent)
                k = self.first + self.sent
                self.process.stdin.write(b"".join(line(i, self.pad) for i in range(k, k + count)))
                self.process.stdin.flush()
                self.sent += count
        except OSError:
            pass

    def acknowledged(self):
        """How many records are safe, as the pipeline told its source."""
        return int(metric(self.pipeline, "pipe_spooled_records_total") or 0)

    def end_quietly(self):
        """After a kill: what could not be written any more is nobody's."""
        self.stop.set()
        self.thread.join()
        try:
            self.process.stdin.close()
        except OSError:
            pass

    def end(self):
        """The input ends here."""
        self.stop.set()
        self.thread.join()
        self.process.stdin.close()


def run_to_the_end(p, seconds=120):
    """Nothing more comes in: what is in the spool is delivered."""
    done = subprocess.run(p.command("run"), env=p.environment, cwd=p.directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done


def spool_files(p):
    directory = Path(p.directory) / "state" / "spooled" / "spool" / "in"
    return sorted(f for f in directory.iterdir() if f.name.isdigit())


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC_TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def crc_entry(n):
    for _ in range(8):
        n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
    return n


CRC_TABLE = [crc_entry(n) for n in range(256)]


def grow(segment, size):
    """Copies a spool's only segment, numbered on, until there are `size` bytes. Returns the number behind the last record."""
    whole = bytearray(segment.read_bytes())
    heads, at = [], 80
    while at < len(whole):
        records = struct.unpack_from("<I", whole, at + 24)[0]
        index, _, meta, body = struct.unpack_from("<4I", whole, at + 32)
        heads.append((at, records))
        at += 64 + index + meta + body
    count = sum(records for _, records in heads)
    for copy in range(1, size // len(whole)):
        number = copy * count
        struct.pack_into("<QQ", whole, 48, number, number)
        struct.pack_into("<I", whole, 72, crc32c(whole[:72]))
        for at, records in heads:
            struct.pack_into("<Q", whole, at + 8, number)
            struct.pack_into("<I", whole, at + 4, crc32c(whole[at + 8:at + 64]))
            number += records
        (segment.parent / f"{copy * count:020d}").write_bytes(whole)
    return number


__all__ = ["ARCHIVE", "Fed", "ask", "grow", "line", "metric", "run_to_the_end", "spool_files", "spooled", "wait_until", "warehouse"]

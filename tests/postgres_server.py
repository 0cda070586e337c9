"""A private PostgreSQL server for tests: on a free port and a unix socket, in a directory of its own, never the system's.

As a program (tests/server postgres start DIR …) for tests in C and for shell scripts, and as a class for pytest.
"""

import glob
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path


def _binaries():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: float(p.split("/")[-2]))
    if not found:
        raise SystemExit("PostgreSQL's server is not installed: apt-get install postgresql")
    return Path(found[-1])


_given = set()


def free_port():
    """One that nobody listens on, and that no connection will be given as its own before the server has it."""
    first_of_connections = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(10_000, first_of_connections)
        with socket.socket() as s:
            if port not in _given and s.connect_ex(("127.0.0.1", port)) != 0:
                _given.add(port)
                return port


class PostgresServer:
    """start, stop, kill -9, restart, freeze (SIGSTOP) and thaw of one server. The superuser is `pipe`, with the password `secret`."""

    USER, PASSWORD, DATABASE = "pipe", "secret", "pipe"

    def __init__(self, directory):
        self.directory = Path(directory).resolve()
        self.data = self.directory / "data"
        self.binaries = _binaries()

    # PostgreSQL refuses to run as root.
    def _as_user(self, *command):
        return ("runuser", "-u", "postgres", "--", *command) if os.getuid() == 0 else command

    def _run(self, program, *arguments):
        done = subprocess.run(self._as_user(str(self.binaries / program), *arguments), cwd=self.directory,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}")

    @property
    def port(self):
        return int((self.directory / "port").read_text())

    @property
    def url(self):
        return f"postgresql://{self.USER}:{self.PASSWORD}@127.0.0.1:{self.port}/{self.DATABASE}"

    @property
    def socket_url(self):
        return f"postgresql://{self.USER}@/{self.DATABASE}?host={self.directory}&port={self.port}"

    @property
    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def _initialise(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            os.chmod(self.directory, 0o755)
        password = self.directory / "password"
        password.write_text(self.PASSWORD)
        password.chmod(0o644)
        self._run("initdb", "-D", str(self.data), "-U", self.USER, f"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync")
        (self.data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        with open(self.data / "postgresql.conf", "a") as conf:
            # Crash safety is what the tests try with kill -9, which needs no fsync; a power failure they do not simulate.
            conf.write(f"\nunix_socket_directories = '{self.directory}'\nlisten_addresses = '127.0.0.1'\nfsync = off\n"
                       "max_connections = 40\nshared_buffers = 128MB\nmax_wal_size = 2GB\nlog_min_messages = fatal\n"
                       "autovacuum_naptime = 10s\n")
        (self.directory / "port").write_text(str(free_port()))

    def _old_children_linger(self):
        return "is still in use" in (self.directory / "log").read_text()[-1000:]

    def start(self):
        fresh = not self.data.exists()
        if fresh:
            self._initialise()
        # After kill -9 the old children may hold the shared memory for a moment: pg_ctl then refuses.
        for attempt in range(50):
            try:
                self._run("pg_ctl", "-D", str(self.data), "-w", "-t", "60", "-l", str(self.directory / "log"), "-o",
                          f"-p {self.port}", "start")
                break
            except RuntimeError:
                if attempt == 49 or not self._old_children_linger():
                    raise
                time.sleep(0.1)
        if fresh:
            self._run("createdb", "-h", str(self.directory), "-p", str(self.port), "-U", self.USER, self.DATABASE)
        return self

    def stop(self):
        if (self.data / "postmaster.pid").exists():
            self.thaw()
            self._run("pg_ctl", "-D", str(self.data), "-w", "-m", "immediate", "stop")

    def _processes(self):
        leader = self.pid
        children = []
        for stat in glob.glob("/proc/[0-9]*/stat"):
            try:
                fields = Path(stat).read_text().rsplit(")", 1)[1].split()
            except (OSError, IndexError):
                continue
            if int(fields[1]) == leader:
                children.append(int(stat.split("/")[2]))
        return [leader, *children]

    def _signal_all(self, number):
        for pid in self._processes():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def kill(self):
        """kill -9 of the server and all its backends."""
        processes = self._processes()
        self._signal_all(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(os.path.exists(f"/proc/{p}") and " Z" not in Path(f"/proc/{p}/stat").read_text().split(")")[-1][:3]
                  for p in processes):
            if time.monotonic() > deadline:
                raise RuntimeError("the server survives kill -9")
            time.sleep(0.01)
        # Where nobody reaps orphans (containers) the dead server stays visible as a zombie, and its lock files would count as held.
        (self.data / "postmaster.pid").unlink()
        for lock in self.directory.glob(".s.PGSQL.*"):
            lock.unlink()

    def restart(self):
        self.stop()
        return self.start()

    def freeze(self):
        self._signal_all(signal.SIGSTOP)

    def thaw(self):
        self._signal_all(signal.SIGCONT)

    def remove(self):
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

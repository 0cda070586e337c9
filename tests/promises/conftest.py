"""What all promises share: a private server per session, and pipelines run as a user runs them.

PIPE_BUILD names the build directory (default: build/release, else build/dev).
PIPE_KILLS is how many seeds the tests marked `kills` try (default 5); scripts/soak takes more.
PIPE_OUTAGE is how many seconds the tests marked `outage` leave a database stopped (default 5); scripts/soak takes a minute.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest

SEEDS = range(int(os.environ.get("PIPE_KILLS", 5)))
OUTAGE = float(os.environ.get("PIPE_OUTAGE", 5))
TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS))
from kafka_server import KafkaServer  # noqa: E402
from mosquitto_server import MosquittoServer  # noqa: E402
from postgres_server import PostgresServer  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitize: also run with the sanitizer builds")
    config.addinivalue_line("markers", "sanitize_address: also run with AddressSanitizer only: ThreadSanitizer cannot follow librdkafka's C11 threads")
    config.addinivalue_line("markers", "outage: a database is stopped under load; scripts/soak leaves it stopped for longer")
    config.addinivalue_line("markers", "kills: kill -9 at random instants; scripts/soak runs these with more seeds")


def build_directory():
    if "PIPE_BUILD" in os.environ:
        return Path(os.environ["PIPE_BUILD"])
    builds = [TESTS.parent / "build" / name for name in ("release", "dev")]
    return next((b for b in builds if (b / "bin" / "pipe").exists()), builds[0])


def sanitizer():
    """Which one the program was built with: "address", "thread", or ""."""
    cache = build_directory() / "CMakeCache.txt"
    return next((line.strip().partition("=")[2] for line in cache.read_text().splitlines() if line.startswith("PIPE_SANITIZE")), "")


def is_sanitized():
    """A sanitizer's shadow and quarantine are no measure of the program's memory."""
    return sanitizer() != ""


def pytest_collection_modifyitems(config, items):
    """ThreadSanitizer does not know C11 threads, which librdkafka starts: what goes through it is left out there, and counted as left out."""
    if sanitizer() == "thread":
        kafka = [item for item in items if "kafka_server" in item.fixturenames]
        items[:] = [item for item in items if item not in kafka]
        config.hook.pytest_deselected(items=kafka)


def peak_memory(running):
    """The most that was resident so far, in MiB."""
    lines = Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def wait_until(true, seconds=60, what="it"):
    """Waits for the thing, not for a time."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.005)
    return value


class Result:
    def __init__(self, process, report):
        self.code, self.stdout, self.stderr = process.returncode, process.stdout, process.stderr
        self.report = json.loads(report.read_text()) if report.exists() else None

    def __repr__(self):
        return f"exit code {self.code}\n{self.stderr}"


class Pipeline:
    """A directory with a pipeline.toml: run() to its end, or start() and look on."""

    def __init__(self, directory, toml, environment=None):
        self.directory = directory
        self.file = directory / "pipeline.toml"
        self.report = directory / "report.json"
        self.environment = {**os.environ, **(environment or {})}
        self.running = []
        self.kills = 0
        self.program = build_directory() / "bin" / "pipe"
        self.write(toml)

    def write(self, toml):
        self.file.write_text(toml)

    def command(self, verb, *arguments):
        more = ["--report", str(self.report), "--no-progress"] if verb == "run" else []
        return [str(self.program), verb, str(self.file), *more, *arguments]

    def run(self, *arguments, verb="run", timeout=120):
        self.report.unlink(missing_ok=True)
        done = subprocess.run(self.command(verb, *arguments), env=self.environment, cwd=self.directory, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        return Result(done, self.report)

    def start(self, *arguments):
        with open(self.directory / "stderr", "w") as stderr:
            process = subprocess.Popen(self.command("run", *arguments), env=self.environment, cwd=self.directory, text=True,
                                       stdout=subprocess.PIPE, stderr=stderr)
        self.running.append(Running(self, process))
        return self.running[-1]


class Running:
    def __init__(self, pipeline, process):
        self.pipeline, self.process = pipeline, process

    @property
    def stderr(self):
        return (self.pipeline.directory / "stderr").read_text()

    def kill(self):
        """kill -9; false where the run was over before."""
        alive = self.process.poll() is None
        self.pipeline.kills += alive
        self.process.kill()
        self.process.wait()
        return alive

    def terminate(self, timeout=60):
        self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait(self, timeout=120):
        return self.process.wait(timeout)


@pytest.fixture
def pipeline(tmp_path, record_property):
    made = []

    def make(toml, name="pipeline", environment=None):
        directory = tmp_path / name
        directory.mkdir(exist_ok=True)
        made.append(Pipeline(directory, toml, environment))
        return made[-1]

    yield make
    record_property("kills", sum(p.kills for p in made))
    for p in made:
        for running in p.running:
            running.process.kill()
            running.process.wait()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory):
    directory = Path("/tmp") / f"pipe-promises-{os.getpid()}"
    server = PostgresServer(directory).start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def kafka_server():
    server = KafkaServer(Path("/tmp") / f"pipe-promises-kafka-{os.getpid()}")
    try:
        yield server.start()
    finally:
        server.remove()


class Database:
    """A database of its own for each test, on the session's server; `server` can be killed, frozen and restarted."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.url = server.url.rsplit("/", 1)[0] + "/" + name
        self.connection = None

    def rows(self, query, *values):
        """Runs a statement as an independent client; after a server's death it connects anew."""
        if self.connection is None or self.connection.closed:
            self.connection = psycopg2.connect(self.url)
            self.connection.autocommit = True
        with self.connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else None

    def value(self, query, *values):
        return self.rows(query, *values)[0][0]

    def forget_connection(self):
        if self.connection:
            self.connection.close()
        self.connection = None


@pytest.fixture
def postgres(postgres_server, request):
    name = f"t{abs(hash(request.node.nodeid)) % 10**10}"
    admin = psycopg2.connect(postgres_server.url)
    admin.autocommit = True
    admin.cursor().execute(f'DROP DATABASE IF EXISTS "{name}"')
    admin.cursor().execute(f'CREATE DATABASE "{name}"')
    admin.close()
    database = Database(postgres_server, name)
    yield database
    database.forget_connection()


@pytest.fixture
def broker(tmp_path_factory):
    server = MosquittoServer(tmp_path_factory.mktemp("mosquitto")).start()
    yield server
    server.remove()

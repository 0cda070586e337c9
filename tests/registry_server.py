"""A private schema registry (Apicurio with Confluent's interface, in memory) for tests: on a free port, in a directory of its own."""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from postgres_server import free_port

ROOT = Path(__file__).resolve().parent.parent


def program():
    """The registry's jar, fetched at the first use."""
    subprocess.run([str(ROOT / "scripts" / "registry-setup")], check=True)
    return next((ROOT / "build" / "registry").glob("*-runner.jar"))


class RegistryServer:
    def __init__(self, directory):
        self.directory = Path(directory)
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/apis/ccompat/v7"

    def start(self):
        jar = program()
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / "log", "w") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dquarkus.http.port={self.port}", "-Dquarkus.http.host=127.0.0.1",
                 "-jar", str(jar)], cwd=self.directory, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while True:
            try:
                self.call("GET", "/subjects")
                return self
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text()[-2000:])
                time.sleep(0.2)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def call(self, method, path, body=None):
        request = urllib.request.Request(self.url + path, method=method, data=json.dumps(body).encode() if body is not None else None,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or "null")

    def register(self, subject, schema):
        return self.call("POST", f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})["id"]

    def latest(self, subject):
        found = self.call("GET", f"/subjects/{subject}/versions/latest")
        return found["id"], json.loads(found["schema"])

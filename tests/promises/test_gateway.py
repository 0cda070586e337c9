"""The gateway that configs/gateway.toml describes, as scripts/gateway-demo shows it: all of it, with servers of its own."""

import os
import re
import subprocess

from conftest import TESTS, build_directory


def test_the_demo_brings_every_reading_into_database_and_archive_and_stops_everything():
    done = subprocess.run([TESTS.parent / "scripts" / "gateway-demo"], cwd=TESTS.parent, text=True, timeout=120,
                          env={**os.environ, "PIPE_BUILD": str(build_directory()), "GATEWAY_SECONDS": "60"},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "35070 of 35070 readings are in the database" in done.stdout
    assert "machine_temperature_system_failure |    22695 |      50 |" in done.stdout
    alerts, archived = re.search(r"(\d+) alerts were published; the archive holds (\d+) readings", done.stdout).groups()
    assert int(alerts) > 1000 and int(archived) == 35070
    servers = subprocess.run(["pgrep", "-f", re.search(r"a broker at mqtt://127.0.0.1:(\d+)", done.stderr)[1]], stdout=subprocess.PIPE)
    assert not servers.stdout

"""A sink that cannot be reached when the run starts: the others start without it, and it misses nothing."""
import pytest
from conftest import wait_until

ROWS = 30_000
TOML = """
[pipeline]
name = "late"
memory = "32MiB"
[sources.drops]
type = "file"
path = ["in/*.ndjson"]
mode = "{mode}"
settle = "0s"
[transforms.t]
type = "sql"
inputs = ["drops"]
query = "SELECT seq::bigint AS seq FROM input WHERE seq >= 0"
[sinks.archive]
type = "file"
inputs = ["t"]
path = "archive.ndjson"
[sinks.warehouse]
type = "postgres"
inputs = ["t"]
url = "{url}"
table = "readings"
create = true
connections = {connections}
"""


def make(pipeline, postgres, mode="batch", connections=1):
    p = pipeline(TOML.format(mode=mode, url=postgres.url, connections=connections))
    drop(p, 0)
    return p


def drop(p, number):
    (p.directory / "in").mkdir(exist_ok=True)
    first = number * ROWS
    new = p.directory / "in" / f".{number}"
    new.write_text("".join(f'{{"seq":{i}}}\n' for i in range(first, first + ROWS)))
    new.rename(p.directory / "in" / f"{number}.ndjson")


def archived(p):
    path = p.directory / "archive.ndjson"
    return path.read_text().count("\n") if path.exists() else 0


def all_there(postgres, files):
    count, distinct = postgres.rows("SELECT count(*), count(DISTINCT seq) FROM readings")[0]
    return count == distinct == files * ROWS


@pytest.mark.sanitize
@pytest.mark.parametrize("connections", [1, 3])
def test_a_sibling_gets_everything_while_the_database_is_down_and_then_the_database_does(pipeline, postgres, connections):
    p = make(pipeline, postgres, connections=connections)
    postgres.forget_connection()
    postgres.server.stop()
    try:
        running = p.start()
        wait_until(lambda: archived(p) == ROWS, what="the archive")
        assert running.process.poll() is None
    finally:
        postgres.server.start()
    assert running.wait() == 0, running.stderr
    assert all_there(postgres, 1)


def test_what_a_sink_never_got_is_still_its_own_in_the_next_run(pipeline, postgres):
    p = make(pipeline, postgres, mode="watch")
    postgres.forget_connection()
    postgres.server.stop()
    try:
        running = p.start()
        wait_until(lambda: archived(p) == ROWS, what="the archive")
        running.kill()
    finally:
        postgres.server.start()
    running = p.start()
    wait_until(lambda: "readings" in str(postgres.rows("SELECT tablename FROM pg_tables")) and all_there(postgres, 1))
    assert running.terminate() == 0, running.stderr
    assert archived(p) >= ROWS  # at least once, for a file


def test_a_late_sink_goes_on_where_it_was(pipeline, postgres):
    p = make(pipeline, postgres, mode="watch")
    running = p.start()
    wait_until(lambda: archived(p) == ROWS and all_there(postgres, 1), what="the first file")
    running.kill()
    postgres.forget_connection()
    postgres.server.stop()
    try:
        drop(p, 1)
        running = p.start()
        wait_until(lambda: archived(p) == 2 * ROWS, what="the archive")
    finally:
        postgres.server.start()
    wait_until(lambda: all_there(postgres, 2), what="the second file")
    assert running.terminate() == 0, running.stderr

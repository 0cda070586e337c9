"""What the commands promise that look at a pipeline and do not run it."""

import itertools
import json
import os
import pty
import subprocess
import tomllib
from pathlib import Path

import jsonschema
import pytest

from conftest import build_directory

TOP = Path(__file__).resolve().parent.parent.parent

GOOD = """
[pipeline]
name = "first"

[sources.in]
type = "file"
path = "inbox/*.csv"
format = "csv"

[transforms.level]
type = "route"
inputs = ["in"]
when.hot = "temp > 80"

[sinks.out]
type = "stdout"
inputs = ["level.hot", "level.else"]
"""
BAD = GOOD.replace('path = "inbox', 'pth = "inbox').replace("temp > 80", "temp >")


def pipe(*arguments, directory=None, environment=None, text=""):
    return subprocess.run([build_directory() / "bin" / "pipe", *arguments], cwd=directory, input=text, text=True, capture_output=True,
                          env={**os.environ, **(environment or {})}, timeout=60)


def on_a_terminal(*arguments, environment):
    """What the program writes to stderr where that is a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen([build_directory() / "bin" / "pipe", *arguments], stderr=slave, stdout=subprocess.DEVNULL,
                               env={**os.environ, **environment})
    os.close(slave)
    output = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:  # Linux's end of file
            break
        if not more:
            break
        output += more
    process.wait(timeout=60)
    os.close(master)
    return output.decode()


def components(kind):
    return [line.split()[0] for line in pipe("list", kind).stdout.splitlines()]


def schema():
    read = json.loads(pipe("schema").stdout)
    jsonschema.Draft202012Validator.check_schema(read)
    return jsonschema.Draft202012Validator(read)


# ---- how it is called ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments, said", [
    (["chek"], 'there is no command "chek"; did you mean "check"?'),
    (["check", "--st", "a=b"], "unknown option --st; did you mean --set?"),
    (["check", "a.toml", "b.toml"], '"b.toml" is one argument too many'),
    (["check", "--set"], "--set needs a value: A.B=C"),
    (["explain", "postgrs"], 'there is no component "postgrs"; did you mean "postgres"?'),
    (["new", "file,sql,nul"], 'there is no sink "nul"; did you mean "null"?'),
    (["run", "--preview", "0"], "--preview must be at least 1, not 0"),
    (["dead", "drop", ""], "dead drop takes an ID, or --all"),
    (["list", "things"], '"things" is none of sources, transforms, sinks, formats, functions'),
])
def test_a_wrong_call_exits_with_2_and_says_what_is_wrong(arguments, said):
    done = pipe(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""


def test_every_command_has_help():
    commands = [line.split()[0] for line in pipe("help").stdout.splitlines() if line.startswith("  ")]
    assert {"run", "check", "explain", "graph", "new", "list", "schema", "help"} <= set(commands)
    for command in commands:
        assert f"usage: pipe {command}" in pipe("help", command).stdout
        assert pipe(command, "--help").stdout == pipe("help", command).stdout


def test_the_version_is_one_line():
    assert pipe("--version").stdout.startswith("pipe ")


# ---- check ----------------------------------------------------------------------------------------------------------------


def test_check_takes_the_pipeline_toml_of_the_directory(tmp_path):
    (tmp_path / "pipeline.toml").write_text(GOOD)
    done = pipe("check", directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "pipeline.toml is fine: 1 source, 1 transform, 1 sink\n")


def test_check_reports_all_problems_and_exits_with_78(tmp_path):
    (tmp_path / "pipeline.toml").write_text(BAD)
    done = pipe("check", directory=tmp_path)
    assert done.returncode == 78
    assert 'pipeline.toml:7:1: unknown option "pth" in sources.in' in done.stderr
    assert 'did you mean "path"?' in done.stderr
    assert 'sources.in needs the option "path"' in done.stderr
    assert "\033" not in done.stderr


def in_two_ways(steps):
    """After each step there are twice as many ways from the source."""
    query = 'type = "sql"\nquery = "SELECT * FROM input"\n'
    parts = ['[pipeline]\nname = "p"\n[sources.s]\ntype = "stdin"\n[transforms.t0]\ninputs = ["s"]\n' + query]
    for i in range(1, steps + 1):
        parts += [f'[transforms.{side}{i}]\ninputs = ["t{i - 1}"]\n{query}' for side in "ab"]
        parts.append(f'[transforms.t{i}]\ninputs = ["a{i}", "b{i}"]\n{query}')
    return "".join(parts) + f'[sinks.o]\ntype = "null"\ninputs = ["t{steps}"]\n'


def test_a_pipeline_with_too_many_ways_through_it_is_refused_at_once(tmp_path):
    file = tmp_path / "pipeline.toml"
    file.write_text(in_two_ways(10))
    assert pipe("check", str(file)).returncode == 0
    file.write_text(in_two_ways(60))
    done = pipe("check", str(file))
    assert done.returncode == 78
    assert 'more than 16384 ways lead from the sources to "t15"' in done.stderr and "^" in done.stderr


@pytest.mark.parametrize("more, said", [
    ('[admin]\nlisten = "127.0.0.1:99999"\n', '9:10: "127.0.0.1:99999" is no ADDRESS:PORT'),
    ('[admin]\nlisten = "localhost"\n', '9:10: "localhost" is no ADDRESS:PORT'),
    ("[sources.g]\ntype = \"generate\"\nrate = 1e300\n", "10:8: rate must be 0, or between"),
    ("[sources.g]\ntype = \"generate\"\nrate = 1e-9\n", "10:8: rate must be 0, or between"),
])
def test_a_value_that_could_only_fail_later_is_shown_where_it_stands(tmp_path, more, said):
    file = tmp_path / "pipeline.toml"
    file.write_text('[pipeline]\nname = "p"\n[sources.s]\ntype = "stdin"\n[sinks.o]\ntype = "null"\ninputs = ["s"]\n' + more)
    done = pipe("check", str(file))
    assert done.returncode == 78
    assert said in done.stderr, done.stderr


def test_check_shows_an_error_inside_a_query_at_its_place(tmp_path):
    (tmp_path / "pipeline.toml").write_text(GOOD.replace("temp > 80", "temp > nosuch(1)"))
    done = pipe("check", directory=tmp_path)
    assert done.returncode == 78
    assert "pipeline.toml:13:20: function nosuch(integer) does not exist\n" in done.stderr
    assert '\n    when.hot = "temp > nosuch(1)"\n                       ^^^^^^\n' in done.stderr


def test_check_opens_nothing(tmp_path):
    (tmp_path / "pipeline.toml").write_text(GOOD)
    pipe("check", directory=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["pipeline.toml"]


def test_a_missing_file_is_a_configuration_error(tmp_path):
    done = pipe("check", "no.toml", directory=tmp_path)
    assert done.returncode == 78
    assert "no.toml: No such file or directory" in done.stderr


def test_colours_are_for_terminals_that_want_them(tmp_path):
    file = tmp_path / "pipeline.toml"
    file.write_text(BAD)
    assert "\033[31m^" in on_a_terminal("check", file, environment={"NO_COLOR": ""})
    assert "\033" not in on_a_terminal("check", file, environment={"NO_COLOR": "1"})


def test_set_and_env_file_change_what_is_checked(tmp_path):
    (tmp_path / "pipeline.toml").write_text(GOOD.replace('"first"', '"${PIPE_TEST_NAME_OF_PIPELINE}"'))
    (tmp_path / "env").write_text("PIPE_TEST_NAME_OF_PIPELINE=first\n")
    assert pipe("check", directory=tmp_path).returncode == 78
    assert pipe("check", "--env-file", "env", directory=tmp_path).returncode == 0
    assert pipe("check", "--set", "pipeline.name=first", directory=tmp_path).returncode == 0


# ---- new, schema, graph, explain ------------------------------------------------------------------------------------------


def test_every_pair_of_components_makes_a_pipeline_that_passes_check_and_the_schema(tmp_path):
    validator = schema()
    for source, sink in itertools.product(components("sources"), components("sinks")):
        for middle in ("", "sql,", "route,", "sql,route,"):
            names = f"{source},{middle}{sink}"
            made = pipe("new", names)
            assert made.returncode == 0, made.stderr
            (tmp_path / "pipeline.toml").write_text(made.stdout)
            done = pipe("check", directory=tmp_path)
            assert done.returncode == 0, f"{names}\n{made.stdout}\n{done.stderr}"
            assert "warning" not in done.stderr
            assert validator.is_valid(tomllib.loads(made.stdout)), made.stdout


def test_the_schema_takes_the_pipelines_that_come_along():
    files = sorted((TOP / "configs").glob("*.toml"))
    assert files
    for file in files:
        assert schema().is_valid(tomllib.loads(file.read_text())), file


@pytest.mark.parametrize("change", [
    ('name = "first"', 'nam = "first"'),
    ('path = "inbox', 'pth = "inbox'),
    ('type = "stdout"', 'type = "stdut"'),
    ('format = "csv"', 'format = "cvs"'),
    ('format = "csv"', 'max_record = "1 pound"'),
    ('format = "csv"', 'linger = "5 fortnights"'),
    ('type = "stdout"', 'type = "stdout"\ncommit_rows = 0'),
    ('type = "stdout"', 'type = "stdout"\nretry.frist = "1s"'),
    ("[sources.in]", "[sources.In]"),
])
def test_the_schema_refuses_what_check_refuses(tmp_path, change):
    text = GOOD.replace(*change)
    (tmp_path / "pipeline.toml").write_text(text)
    assert pipe("check", directory=tmp_path).returncode == 78
    assert not schema().is_valid(tomllib.loads(text))


def test_graph_shows_every_edge(tmp_path):
    (tmp_path / "pipeline.toml").write_text(GOOD)
    assert pipe("graph", directory=tmp_path).stdout == (
        "in (file)\n"
        "└─ level (route)\n"
        "   ├─ hot → out (stdout)\n"
        "   └─ else → out (stdout)\n")
    dot = pipe("graph", "--dot", directory=tmp_path).stdout
    assert '"in" -> "level";' in dot
    assert '"level" -> "out" [label="hot"];' in dot


def test_explain_says_what_each_path_promises(tmp_path):
    (tmp_path / "pipeline.toml").write_text(GOOD)
    text = pipe("explain", "pipeline.toml", directory=tmp_path).stdout
    assert "in -> level.hot -> out (sink stdout)\n    at least once" in text
    (tmp_path / "pipeline.toml").write_text(GOOD.replace('type = "file"\npath = "inbox/*.csv"', 'type = "stdin"'))
    text = pipe("explain", "pipeline.toml", directory=tmp_path).stdout
    assert "lost with the process" in text
    assert "now() is the time of reading" in text


def test_every_component_is_explained():
    for kind, section in (("source", "sources"), ("transform", "transforms"), ("sink", "sinks")):
        for name in components(section):
            text = pipe("explain", kind, name).stdout
            assert text.startswith(f"{kind} {name}: ")
            assert "Example:" in text


def test_the_reference_is_current():
    made = pipe("explain", "--all", "--markdown").stdout
    assert made == (TOP / "docs" / "reference.md").read_text(), "run: pipe explain --all --markdown > docs/reference.md"

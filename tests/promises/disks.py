"""Disks that are full or cannot be written: small filesystems in memory, mounted for one test (as root or with sudo)."""

import os
import subprocess

import pytest


def as_root(*command):
    subprocess.run(command if os.geteuid() == 0 else ("sudo", "-n", *command), check=True)


def mounted(directory, options):
    directory.mkdir()
    as_root("mount", "-t", "tmpfs", "-o", f"mode=0777,{options}", "tmpfs", str(directory))
    return directory


def fill(directory):
    """To the last byte; gives the file that does it."""
    filler = directory / "filler"
    with open(filler, "wb", 0) as f:
        try:
            while True:
                f.write(b"x" * 4096)
        except OSError:
            return filler


@pytest.fixture
def small_disk(tmp_path):
    """8 MiB."""
    directory = mounted(tmp_path / "small", "size=8m")
    yield directory
    as_root("umount", "-l", str(directory))


@pytest.fixture
def read_only_disk(tmp_path):
    directory = mounted(tmp_path / "read-only", "ro")
    yield directory
    as_root("umount", "-l", str(directory))

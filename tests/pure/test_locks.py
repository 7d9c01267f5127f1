"""What the make targets install is locked: all that setup.cfg asks for, in a release that it allows, with hashes."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SHARED = ("dev", "bench", "acceptance", "dist", "docs")
LOCKS = {"run": (), "test": ("test",), **{each: ("test", each) for each in SHARED}}
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("linux", "darwin", "win32")


def asked_for(*extras: str) -> list[Requirement]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    options = setup["options.extras_require"]
    lines = "\n".join([setup["options"]["install_requires"], *(options[extra] for extra in extras)]).splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def locked(name: str) -> list[tuple[Requirement, str]]:
    """Each requirement of a lock, and the lines below it."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").replace("\\\n", "\n")
    blocks = re.split(r"^(?=[A-Za-z])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.MULTILINE)
    pairs = (block.partition("\n") for block in blocks if block.strip())
    return [(Requirement(first.strip()), below) for first, _, below in pairs]


def releases(name: str) -> set[tuple[str, str]]:
    """What a lock names, wherever it is for."""
    return {(canonicalize_name(each.name), str(each.specifier)) for each, _ in locked(name)}


@pytest.mark.parametrize("name", ["build", "lock", *LOCKS])
def test_a_lock_names_one_release_and_its_hashes(name: str) -> None:
    requirements = locked(name)
    assert requirements
    for requirement, below in requirements:
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert "--hash=sha256:" in below, requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", LOCKS)
def test_what_setup_cfg_asks_for_is_locked_in_a_release_that_it_allows(name: str, platform: str, python: str) -> None:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    versions: dict[str, list[str]] = {}
    for requirement, _ in locked(name):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found = versions.setdefault(canonicalize_name(requirement.name), [])
            found.append(str(requirement.specifier).removeprefix("=="))
    assert not {each: found for each, found in versions.items() if len(found) > 1}
    for requirement in asked_for(*LOCKS[name]):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            found = versions.get(canonicalize_name(requirement.name), [])
            hint = f"{requirement}: run `make lock UPGRADE=` after a change of setup.cfg"
            assert found, hint
            assert requirement.specifier.contains(found[0], prereleases=True), hint


@pytest.mark.parametrize("name", SHARED)
def test_the_locks_that_share_an_environment_agree_with_the_tests(name: str) -> None:
    assert releases("test") <= releases(name)


def test_what_runs_is_what_is_tested() -> None:
    assert releases("run") <= releases("test")


def test_the_container_has_what_the_locks_name() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    images = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert (len(images), len(set(images))) == (2, 1)  # the environment that is copied needs the same interpreter
    commands = re.findall(r"bin/pip (.*?)(?:&&|$)", text, re.MULTILINE)
    fetching = [each for each in commands if "--no-index" not in each]
    assert [re.findall(r"--requirement requirements/(\w+)\.txt", each) for each in fetching] == [["build"], ["run"]]
    assert all("--require-hashes" in each for each in fetching)
    assert [each for each in commands if "/opt/clipal" in each and "build.txt" in each] == []

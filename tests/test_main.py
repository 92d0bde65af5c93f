"""Starting Dyad: the set-up is done once, is taken up where it stopped, and says what it needs."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

import main
from app import system_libraries

ROOT = Path(main.__file__).parent
BOOTSTRAP = (ROOT / "main.py", ROOT / "app" / "system_libraries.py")


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """main.py in front of an environment that does not exist yet."""
    monkeypatch.setattr(main, "ENVIRONMENT", tmp_path / ".venv")
    monkeypatch.setattr(main, "in_environment", lambda: False)
    return tmp_path / ".venv"


def locked() -> dict[str, str]:
    text = main.LOCKS["run"].read_text() + main.LOCKS["test"].read_text()
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)$", text, re.M))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


class TestBeforeThereIsAnEnvironment:
    @pytest.mark.parametrize("path", BOOTSTRAP, ids=lambda path: path.name)
    def test_only_the_standard_library_is_imported(self, path):
        tree = ast.parse(path.read_text())
        names = {
            (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
            for node in tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert {name.split(".")[0] for name in names} - {"app"} <= set(sys.stdlib_module_names)

    @pytest.mark.parametrize("path", BOOTSTRAP, ids=lambda path: path.name)
    def test_an_old_python_can_read_it_and_hear_that_it_is_too_old(self, path):
        ast.parse(path.read_text(), feature_version=(3, 7))

    def test_an_old_python_is_refused_in_words(self):
        with pytest.raises(main.SetupError, match=r"needs Python 3\.11 or later, and this is 3\.9"):
            main.check_python((3, 9, 1))

    @pytest.mark.parametrize("version", [(3, 11, 2), (3, 12, 3), (3, 13, 0)])
    def test_debian_12_and_ubuntu_24_have_a_python_that_will_do(self, version):
        main.check_python(version)

    def test_without_ensurepip_it_says_what_to_install(self, fresh, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "ensurepip", None)
        assert main.main(["--no-system", "doctor"]) == 2
        assert "apt install python3-venv" in capsys.readouterr().err
        assert not fresh.exists()


class TestSetUp:
    @pytest.fixture
    def steps(self, fresh, monkeypatch):
        """What a set-up does, without the network."""
        done: list[str] = []

        def make(environment):
            environment.mkdir(exist_ok=True)
            main.interpreter(environment).parent.mkdir(exist_ok=True)
            main.interpreter(environment).touch()
            done.append("environment")

        monkeypatch.setattr(main, "make_environment", make)
        monkeypatch.setattr(main, "install", lambda environment, what: done.append(what))
        return done

    def test_it_is_done_once(self, fresh, steps):
        main.set_up(fresh, "run", False)
        main.set_up(fresh, "run", False)
        assert steps == ["environment", "run"]

    def test_large_downloads_are_announced_before_anything_is_installed(
        self, fresh, steps, monkeypatch, capsys
    ):
        said = []
        monkeypatch.setattr(main, "install", lambda *_: said.append(capsys.readouterr().out))
        main.set_up(fresh, "run", False)
        assert "torch 530 MB" in said[0]

    def test_tests_need_more_than_a_start_and_include_it(self, fresh, steps):
        main.set_up(fresh, "run", False)
        main.set_up(fresh, "test", False)
        main.set_up(fresh, "run", False)
        assert steps == ["environment", "run", "environment", "test"]

    def test_an_interrupted_one_is_taken_up_again(self, fresh, steps, monkeypatch):
        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(main, "install", interrupted)
        assert main.main(["--no-system"]) == 130
        assert not main.is_ready(fresh, "run")
        monkeypatch.setattr(main, "install", lambda environment, what: steps.append(what))
        main.set_up(fresh, "run", False)
        assert main.is_ready(fresh, "run")

    def test_another_lock_makes_it_due_again(self, fresh, steps, monkeypatch, tmp_path):
        main.set_up(fresh, "run", False)
        newer = tmp_path / "requirements.lock"
        newer.write_text(main.LOCKS["run"].read_text() + "another==1.0\n")
        monkeypatch.setitem(main.LOCKS, "run", newer)
        assert not main.is_ready(fresh, "run")

    def test_an_environment_without_pip_is_made_again(self, fresh, monkeypatch):
        """What an interrupted `venv` leaves: an interpreter that cannot install anything."""
        python = main.interpreter(fresh)
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\nexit 1\n")
        python.chmod(0o755)
        made = []
        builder = SimpleNamespace(create=made.append)
        monkeypatch.setattr("venv.EnvBuilder", lambda clear, **_: builder if clear else None)
        main.make_environment(fresh)
        assert made == [str(fresh)]

    def test_a_failing_pip_ends_it_with_one_sentence(self, fresh, steps, monkeypatch, capsys):
        def fail(*_):
            raise main.SetupError("pip could not install requirements.lock.")

        monkeypatch.setattr(main, "install", fail)
        assert main.main(["--no-system"]) == 2
        assert capsys.readouterr().err == "pip could not install requirements.lock.\n"

    def test_progress_names_every_part_and_the_size_of_large_ones(self, capsys):
        lines = [
            "Collecting alembic==1.20.1 (from -r requirements.lock (line 3))",
            "Processing /somewhere/wheels/torch-2.13.0-cp311.whl (from -r requirements.lock)",
            "Requirement already satisfied: numpy==2.4.6",
            "  Downloading small-1.0.whl (12 kB)",
            "  Downloading warp_lang-1.19.0.whl (149.3 MB)",
        ]
        script = f"print({chr(10).join(lines)!r})"
        assert main.run_with_progress([sys.executable, "-c", script], "run") == 0
        out = capsys.readouterr().out
        assert "[ 1 of" in out and "alembic==1.20.1" in out
        assert "[ 2 of" in out and "torch-2.13.0-cp311.whl" in out
        assert "149.3 MB" in out and "small" not in out


WANTED = {"libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "Xvfb": "xvfb"}


class TestSystemLibraries:
    def test_what_the_linker_and_the_path_lack_is_missing(self):
        missing = system_libraries.missing_packages(
            WANTED, {"libGL.so.1"}, programs=lambda name: None
        )
        assert missing == ["libegl1", "xvfb"]

    def test_nothing_is_claimed_where_the_linker_cannot_be_asked(self):
        assert system_libraries.missing_packages(WANTED, None) == []

    def test_the_linker_knows_the_c_library(self):
        libraries = system_libraries.shared_libraries()
        assert libraries is None or "libc.so.6" in libraries

    def test_apt_is_told_not_to_ask(self):
        calls = []

        def runner(command, env, check):
            calls.append((command, env["DEBIAN_FRONTEND"]))
            return SimpleNamespace(returncode=0)

        assert system_libraries.install(["libgl1"], runner) == []
        assert [command[1] for command, _ in calls] == ["update", "install"]
        assert "-y" in calls[1][0] and {frontend for _, frontend in calls} == {"noninteractive"}

    def test_one_unknown_package_does_not_hold_up_the_others(self):
        def runner(command, env, check):
            return SimpleNamespace(returncode=100 if "libosmesa6" in command else 0)

        assert system_libraries.install(["libgl1", "libosmesa6"], runner) == ["libosmesa6"]

    @pytest.fixture
    def lacking(self, fresh, monkeypatch):
        fresh.mkdir()
        monkeypatch.setattr(system_libraries, "shared_libraries", lambda: set())
        monkeypatch.setattr(main, "can_install", lambda: True)
        return fresh

    def test_no_system_names_the_line_and_goes_on(self, lacking, monkeypatch, capsys):
        monkeypatch.setattr(system_libraries, "install", lambda _: pytest.fail("installed"))
        main.set_up_system(lacking, "run", allowed=False)
        assert re.search(r"apt-get install -y .*libegl1.*libosmesa6", capsys.readouterr().out)

    def test_root_installs_them(self, lacking, monkeypatch):
        asked = []
        monkeypatch.setattr(system_libraries, "install", lambda names: asked.extend(names) or [])
        main.set_up_system(lacking, "run", allowed=True)
        assert "libosmesa6" in asked and "xvfb" not in asked

    def test_what_cannot_be_installed_is_not_tried_at_every_start(self, lacking, monkeypatch):
        tries = []
        monkeypatch.setattr(system_libraries, "install", lambda names: tries.append(1) or names)
        main.set_up_system(lacking, "run", allowed=True)
        main.set_up_system(lacking, "run", allowed=True)
        assert len(tries) == 1


class TestLock:
    def test_every_line_is_one_exact_version_and_no_index_is_named(self):
        for path in main.LOCKS.values():
            lines = [x for x in path.read_text().splitlines() if x and not x.startswith("#")]
            wrong = [x for x in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", x)]
            assert wrong in ([], ["-r requirements.lock"])

    def test_it_satisfies_what_pyproject_asks_for(self):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        asked = project["dependencies"] + project["optional-dependencies"]["test"]
        versions = {normal(name): version for name, version in locked().items()}
        for text in asked:
            requirement = Requirement(text)
            assert requirement.specifier.contains(versions[normal(requirement.name)]), text

    def test_it_holds_everything_that_is_needed_transitively(self):
        """On any supported Python, whichever version runs the tests."""
        from importlib.metadata import PackageNotFoundError, requires

        names = {normal(name) for name in locked()}
        for package in names:
            try:
                needed = requires(package) or []
            except PackageNotFoundError:
                pytest.fail(f"{package} is locked but not installed")
            for requirement in map(Requirement, needed):
                if normal(requirement.name).startswith(("nvidia", "cuda", "triton")):
                    continue  # torch's own, on builds with CUDA
                if _applies(requirement):
                    assert normal(requirement.name) in names, f"{package} needs {requirement}"


def _applies(requirement: Requirement) -> bool:
    from packaging.markers import default_environment

    if requirement.marker is None:
        return True
    base = {**default_environment(), "extra": "", "sys_platform": "linux"}
    return any(
        requirement.marker.evaluate({**base, "python_version": v, "python_full_version": f"{v}.4"})
        for v in ("3.11", "3.12")
    )


def test_it_is_a_module_without_side_effects():
    """Importing it neither sets up nor starts anything."""
    spec = importlib.util.spec_from_file_location("main_again", ROOT / "main.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.main)


def test_a_second_start_asks_nothing_of_the_network():
    """Where the environment is ready, the command line answers at once."""
    if not main.is_ready(main.ENVIRONMENT, "run"):
        pytest.skip("the tests do not run in an environment that main.py made")
    done = subprocess.run(
        [sys._base_executable, str(ROOT / "main.py"), "--no-system", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PIP_NO_INDEX": "1", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout.startswith("Usage: python3 main.py") and "Downloading" not in done.stdout

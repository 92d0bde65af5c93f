#!/usr/bin/env python3
"""Starts Dyad: sets up .venv on first use, then runs the command line.

    python3 main.py                open the window (without a display: run the bundled sample)
    python3 main.py test           run the tests
    python3 main.py doctor         say what was found and what is missing
    python3 main.py --help         every command

Only the standard library is used here, in words that an old Python can read, until the
environment exists. A set-up that was interrupted is taken up where it stopped.
"""

import hashlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from app import system_libraries

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
LOCKS = {"run": ROOT / "requirements.lock", "test": ROOT / "requirements-test.lock"}
OLDEST = (3, 11)
DOWNLOADS = """\
Downloading what Dyad is made of, once. The large parts (Linux, x86-64):
  torch 530 MB, and CUDA libraries that it brings along 2200 MB
  (a build of torch without CUDA, where pip is configured to find one, is 190 MB in all)
  warp 150 MB, PySide6 80 MB, OpenCV 60 MB, PyAV 36 MB, SciPy 35 MB, onnxruntime 24 MB
  everything else 60 MB"""


class SetupError(Exception):
    """The set-up cannot go on; the text says what to do."""


def say(text):
    print(text, flush=True)


def interpreter(environment):
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return environment / folder / name


def lock_digest(purpose):
    """Of every version that `purpose` needs: a test lock includes the run lock."""
    digest = hashlib.sha256(LOCKS["run"].read_bytes())
    if purpose == "test":
        digest.update(LOCKS["test"].read_bytes())
    return digest.hexdigest()


def stamp(environment, purpose):
    return environment / (".dyad-" + purpose)


def is_ready(environment, purpose):
    try:
        done = stamp(environment, purpose).read_text()
    except OSError:
        return False
    return done == lock_digest(purpose) and interpreter(environment).exists()


def check_python(version):
    if tuple(version[:2]) < OLDEST:
        raise SetupError(
            "Dyad needs Python {}.{} or later, and this is {}.{}. Start it with a newer one, "
            "for instance: python3.11 main.py".format(*OLDEST, *version[:2])
        )


def has_ensurepip():
    return importlib.util.find_spec("ensurepip") is not None


def make_environment(environment):
    """A virtual environment with pip. One that was left half made is made again."""
    if interpreter(environment).exists():
        probe = [str(interpreter(environment)), "-c", "import pip"]
        if subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
    if not has_ensurepip():
        raise SetupError(
            "This Python cannot make virtual environments, because ensurepip is missing. "
            "Install it and start again: apt install python3-venv"
        )
    import venv

    say(f"Making the environment in {environment}")
    venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt").create(str(environment))


def install(environment, purpose):
    """Install the locked versions; what is there already is kept."""
    lock = LOCKS[purpose]
    command = [str(interpreter(environment)), "-m", "pip", "install", "-r", str(lock)]
    command += ["--no-input", "--disable-pip-version-check"]
    if sys.stdout.isatty():
        code = subprocess.run(command, check=False).returncode
    else:
        code = run_with_progress(command, purpose)
    if code != 0:
        raise SetupError(
            f"pip could not install {lock.name} (its message is above). Mend that and start again: "
            "what was downloaded is kept."
        )


def run_with_progress(command, purpose):
    """Without a terminal pip shows no bars: say which part it is at, and how large parts are."""
    locks = [LOCKS["run"], LOCKS[purpose]] if purpose == "test" else [LOCKS["run"]]
    total = sum(lock.read_text().count("==") for lock in locks)
    seen = 0
    unbuffered = dict(os.environ, PYTHONUNBUFFERED="1")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=unbuffered) as pip:
        for line in pip.stdout:
            line = line.strip()
            size = re.search(r"\(([\d.]+) [MG]B\)", line)
            started = re.match(r"(?:Collecting|Processing) (?:\S*/)?([^\s/]+)", line)
            if started:
                seen += 1
                say(f"  [{seen:>2} of about {total}] {started.group(1)}")
            elif line.startswith("Requirement already satisfied"):
                seen += 1
            elif size and line.startswith("Downloading") and float(size.group(1)) >= 5:
                say("         " + line)
            elif line.startswith(("Installing", "ERROR")):
                say("  " + line[:100])
    return pip.returncode


def set_up_system(environment, purpose, allowed):
    """Install or name the system libraries that are missing. Never stops the start."""
    wanted = dict(system_libraries.WINDOW, **system_libraries.RENDERING)
    if purpose == "test":
        wanted.update(system_libraries.TESTS)
    missing = system_libraries.missing_packages(wanted, system_libraries.shared_libraries())
    if missing and allowed and can_install():
        tried = environment / ".dyad-system"
        if tried.exists() and tried.read_text().split() == missing:
            return  # it did not work before: that was said once, not at every start
        say("Installing system libraries: " + " ".join(missing))
        missing = system_libraries.install(missing)
        tried.write_text(" ".join(missing))
    if missing:
        say(
            "Some system libraries are missing, and what needs them will not work. To install them:"
        )
        say("  " + system_libraries.install_line(missing))


def can_install():
    return system_libraries.is_root() and shutil.which("apt-get") is not None


def set_up(environment, purpose, system_allowed):
    """Everything that `purpose` needs, once."""
    if is_ready(environment, purpose):
        return
    check_python(sys.version_info)
    if not has_ensurepip() and system_allowed and can_install():
        system_libraries.install(["python3-venv"])
        importlib.invalidate_caches()
    make_environment(environment)
    if not is_ready(environment, "run"):
        say(DOWNLOADS)
        free = shutil.disk_usage(str(environment)).free / 1e9
        say(f"Free space here: {free:.0f} GB; the environment takes 2 GB, with CUDA 8 GB.")
    install(environment, purpose)
    stamp(environment, purpose).write_text(lock_digest(purpose))
    if purpose == "test":
        stamp(environment, "run").write_text(lock_digest("run"))
    say("The environment is ready.")


def in_environment():
    return Path(sys.prefix).resolve() == ENVIRONMENT.resolve()


def run_tests(arguments):
    """pytest in the checkout; GUI tests run under Xvfb, or are skipped and say why."""
    os.chdir(str(ROOT))
    command = [sys.executable, "-m", "pytest", *arguments]
    return subprocess.run(command, check=False).returncode


def main(arguments):
    system_allowed = "--no-system" not in arguments
    arguments = [a for a in arguments if a != "--no-system"]
    purpose = "test" if arguments[:1] == ["test"] else "run"
    if not in_environment():
        try:
            set_up(ENVIRONMENT, purpose, system_allowed)
        except SetupError as error:
            print(error, file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print("Stopped. The next start goes on from here.", file=sys.stderr)
            return 130
        set_up_system(ENVIRONMENT, purpose, system_allowed)
        command = [str(interpreter(ENVIRONMENT)), str(ROOT / "main.py"), *arguments]
        if os.name == "nt":
            return subprocess.run(command, check=False).returncode
        os.execv(command[0], command)
    if purpose == "test":
        return run_tests(arguments[1:])
    from app.cli import main as run_command_line

    return run_command_line(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

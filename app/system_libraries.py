"""Shared libraries and programs that come from the system, not from PyPI.

Standard library only, in words that an old Python can read: main.py uses it before there is an
environment, and the doctor afterwards.
"""

import os
import re
import shutil
import subprocess
import sys

# Shared library or program -> Debian and Ubuntu package.
WINDOW = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
}
RENDERING = {"libOSMesa.so.8": "libosmesa6"}
TESTS = {"Xvfb": "xvfb", "xauth": "xauth"}


def shared_libraries():
    """Names that the dynamic linker knows; None where it cannot be asked."""
    linker = shutil.which("ldconfig", path="/sbin:/usr/sbin:" + os.environ.get("PATH", ""))
    if not sys.platform.startswith("linux") or not linker:
        return None
    listing = subprocess.run(
        [linker, "-p"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
    )
    return set(re.findall(r"^\t(\S+) \(", listing.stdout.decode("utf-8", "replace"), re.M))


def missing_packages(wanted, libraries, programs=shutil.which):
    """Packages of `wanted` whose library or program is not on this machine; [] if unknown."""
    if libraries is None:
        return []
    return sorted(
        package
        for probe, package in wanted.items()
        if not (probe in libraries if ".so" in probe else programs(probe))
    )


def is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def install_line(packages):
    """The exact line that installs packages on Debian and Ubuntu."""
    return "{}apt-get install -y {}".format("" if is_root() else "sudo ", " ".join(packages))


def install(packages, runner=subprocess.run):
    """apt-get, all at once or, where one is unknown, one by one. Returns what is still missing."""
    quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    runner(["apt-get", "update", "-qq"], env=quiet, check=False)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
    if runner(command + packages, env=quiet, check=False).returncode == 0:
        return []
    return [p for p in packages if runner([*command, p], env=quiet, check=False).returncode]

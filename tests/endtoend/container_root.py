"""A Containerfile carried out without a container engine: each RUN in a chroot, the result as a container would run it.

The base image is stood in for by this machine's own Debian and its Python 3.11; all else is the file's own words. What
runs has its own process, mount and network namespaces, no capability, and a root file system that cannot be written.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = PROJECT / "pipelines" / "services" / "container"
PYTHON = "/usr/bin/python3.11"
# Another address than loopback's, as a container has on its bridge: what the host's published port leads to.
BRIDGE = "10.213.0.2"
_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Containerfile with their arguments, comments left out and lines put together."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    found = re.sub(r"\\\n\s*", " ", lines)
    return [(word, rest.strip()) for line in found.splitlines() if line for word, _, rest in [line.partition(" ")]]


@dataclass
class Image:
    """What came of a Containerfile: its root folder, and how it is run."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)


def build(folder: Path, text: str) -> Image:
    """Carry a Containerfile out in a folder; the image of its last stage."""
    stages: dict[str, Image] = {}
    image = Image(folder)
    for word, rest in instructions(text):
        if word == "FROM":
            name = rest.partition(" AS ")[2] or "last"
            image = stages[name] = Image(_base(folder / name))
        elif word == "WORKDIR":
            image.workdir = rest
            (image.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "COPY":
            _copy(image, rest, stages)
        elif word == "RUN":
            _run(image, rest)
        elif word == "ENV":
            image.env |= dict(part.split("=", 1) for part in shlex.split(rest))
        elif word == "USER":
            image.user = rest
        elif word == "VOLUME":
            image.volumes = json.loads(rest)
        elif word == "ENTRYPOINT":
            image.entrypoint = json.loads(rest)
        elif word == "HEALTHCHECK":
            image.health = json.loads(rest.partition("CMD ")[2])
        elif word not in {"ARG", "EXPOSE", "STOPSIGNAL"}:
            raise ValueError(f"an instruction that nobody carries out here: {word}")
    return image


def _base(root: Path) -> Path:
    """What `python:3.11-slim` brings: a system, a Python with pip under /usr/local, and users."""
    root.mkdir(parents=True)
    for name in _SYSTEM:
        if (there := Path("/", name)).is_symlink():
            (root / name).symlink_to(there.readlink())
    for name in ("usr", "dev", "proc", "tmp", "root/.config/pip", "opt"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True)
    local = root.with_name(f"{root.name}-local")
    subprocess.run([PYTHON, "-m", "venv", "--copies", local], check=True)
    return root


def _mounts(root: Path) -> str:
    local = root.with_name(f"{root.name}-local")
    return (
        f"mount --rbind /usr {root}/usr && mount -o remount,bind,ro {root}/usr && mount --bind {local} {root}/usr/local"
        f" && mount --rbind /dev {root}/dev"
    )


def _run(image: Image, command: str) -> None:
    """A RUN, as root, with pip's own settings of this machine and nothing else of it."""
    given = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    env = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **given, **image.env}
    binds = [Path.home() / ".config" / "pip", *filter(Path.is_absolute, map(Path, given.values()))]
    script = [_mounts(image.root), f"mount --rbind /proc {image.root}/proc"]
    for there in binds:
        if there.is_dir():
            at = image.root / ("root/.config/pip" if there == binds[0] else str(there).lstrip("/"))
            at.mkdir(parents=True, exist_ok=True)
            script.append(f"mount --bind {there} {at}")
    words = ["env", "-i", *(f"{name}={value}" for name, value in env.items())]
    inside = f"cd {shlex.quote(image.workdir)} && {command}"
    script.append(f"exec chroot {image.root} {shlex.join([*words, '/bin/sh', '-ec', inside])}")
    done = subprocess.run(
        ["unshare", "--mount", "/bin/sh", "-ec", " && ".join(script)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[:60]}: {done.stdout[-1000:]}{done.stderr[-2000:]}")


def _copy(image: Image, rest: str, stages: dict[str, Image]) -> None:
    words = rest.split()
    start = PROJECT
    if words[0].startswith("--from="):
        start = stages[words.pop(0).partition("=")[2]].root
    *sources, to = words
    target = image.root / (to if to.startswith("/") else f"{image.workdir}/{to}").lstrip("/")
    for source in sources:
        there = start / source.lstrip("/")
        if there.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if start == PROJECT else None
            shutil.copytree(there, target, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(there, target)


@dataclass
class Container:
    """A running image: the process that is its first, seen from outside."""

    image: Image
    pid: int
    process: subprocess.Popen[bytes]
    env: dict[str, str]

    def does(self, *command: str, root: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as `docker exec` does."""
        entered = ["nsenter", "-t", str(self.pid), "-m", "-p", "-n", "-r", f"-w/proc/{self.pid}/cwd"]
        words = [] if root else _unprivileged(self.image.user)
        env = ["env", "-i", *(f"{name}={value}" for name, value in self.env.items())]
        return subprocess.run(
            [*entered, *words, *env, *command], capture_output=True, text=True, check=False, timeout=300
        )


def _unprivileged(user: str) -> list[str]:
    uid, _, gid = user.partition(":")
    return [
        *("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", "--no-new-privs"),
        *("--bounding-set=-all", "--inh-caps=-all"),
    ]


@contextmanager
def running(image: Image, **env: str) -> Iterator[Container]:
    """The image as compose.yaml runs it: read-only, /tmp in memory, its volumes writable, no privilege; ended after."""
    root = image.root
    given = {**image.env, "HOME": "/nonexistent", **env}
    script = [f"mount --bind {root} {root}", _mounts(root)]
    for volume in image.volumes:
        at = f"{root}{volume}"
        script.append(f"mount --bind {at} {at}")
    script += [
        f"mount -o remount,bind,ro {root}",
        f"mount -o remount,bind,ro {root}/usr/local",
        f"mount -t tmpfs -o mode=1777,size=512m none {root}/tmp",  # noqa: S108 - the container's own
        f"mount -t proc none {root}/proc",
        f"ip link set lo up && ip addr add {BRIDGE}/32 dev lo",
        f"cd {root}",
    ]
    words = [*_unprivileged(image.user), "env", "-i", *(f"{name}={value}" for name, value in given.items())]
    inside = f"cd {image.workdir} && exec {shlex.join([*words, *image.entrypoint])}"
    script.append(f"exec chroot {root} /bin/sh -c {shlex.quote(inside)}")
    log = root.with_name("container.log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--net", "--fork", "--kill-child=SIGKILL"),
                *("/bin/sh", "-ec", " && ".join(script)),
            ],
            stdout=output,
            stderr=output,
        )
    try:
        yield Container(image, _first(process), process, given)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        sys.stdout.write(log.read_text())


def _first(process: subprocess.Popen[bytes]) -> int:
    """The container's process 1 by its number outside."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    for _ in range(100):
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.05)
    raise RuntimeError("nothing runs in it")


def stopped(container: Container, patience_s: float = 20) -> int:
    """What `docker stop` does: SIGTERM to process 1; its exit code."""
    os.kill(container.pid, signal.SIGTERM)
    return container.process.wait(patience_s)

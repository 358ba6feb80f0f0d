"""Runs a compose file's services without Docker, from the file systems that `rehearse.sh` built.

    unshare --net --mount python -m docker.play FOLDER COMPOSE.yaml [SERVICE]...

A service gets what Docker would give it, made by hand: a root that cannot be written, its own network behind a bridge
with the others' names in /etc/hosts, its own processes, its mounts and secrets, user 10001 without capabilities or new
privileges, SIGTERM and its grace at the end. Order and health follow the file. Everything lives in the namespaces of
this process, so nothing is left of it but FOLDER/volumes. Needs root, iproute2, buildah and `docker compose config`
(POFT_COMPOSE names another program for that).
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER = 10001
_SUBNET = "10.83.0."
_HEALTH_SECONDS, _ONCE_SECONDS = 600.0, 600.0


@dataclass
class Container:
    """A service that runs, or ran."""

    name: str
    service: dict[str, Any]
    address: str
    process: subprocess.Popen[bytes] | None = None
    healthy_after: float = 0.0
    began: float = field(default_factory=time.monotonic)


def resolved(compose: Path) -> dict[str, Any]:
    """The compose file as Docker's own client understands it."""
    program = shlex.split(os.environ.get("POFT_COMPOSE", "docker compose"))
    command = [*program, "--file", str(compose), "--profile", "tools", "config", "--format", "json"]
    config: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return config


def sh(*command: str) -> str:
    """A program's answer; it has to succeed."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Play:
    """The services of one compose file, in the namespaces of this process."""

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self._folder, self._config = folder, config
        self._roots: dict[str, str] = {}
        self.containers: dict[str, Container] = {}
        for at, (name, service) in enumerate(sorted(config["services"].items())):
            networks = [one for one in (service.get("networks") or {}).values() if one]
            fixed = [one["ipv4_address"] for one in networks if "ipv4_address" in one]
            self.containers[name] = Container(name, service, fixed[0] if fixed else f"{_SUBNET}{100 + at}")

    def prepare(self) -> None:
        """A bridge, and places for name spaces, which the machine does not see."""
        sh("mount", "--make-rprivate", "/")
        sh("mkdir", "-p", "/run/netns")
        sh("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
        sh("ip", "link", "add", "bridge0", "type", "bridge")
        sh("ip", "link", "set", "bridge0", "up")

    def start(self, name: str) -> Container:
        """Starts a service, after what it depends on."""
        container = self.containers[name]
        if container.process is not None:
            return container
        needed = container.service.get("depends_on") or {}
        for other in needed:
            self.start(other)
        for other, terms in needed.items():
            if terms["condition"] == "service_healthy":
                self.wait_healthy(other)
            else:
                self.wait_done(other)
        self._plug(container)
        script = self._folder / "play" / f"{name}.sh"
        script.parent.mkdir(parents=True, exist_ok=True)
        script.write_text(self._script(container))
        log = (self._folder / "play" / f"{name}.log").open("ab")
        command = [
            "ip",
            "netns",
            "exec",
            name,
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            str(script),
        ]
        container.began = time.monotonic()
        container.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        print(f"{name}: started, {container.address}", flush=True)
        return container

    def wait_healthy(self, name: str) -> None:
        """Until its own health check succeeds."""
        container = self.containers[name]
        if container.healthy_after:
            return
        test = container.service["healthcheck"]["test"][1:]
        deadline, said = time.monotonic() + _HEALTH_SECONDS, ""
        while time.monotonic() < deadline:
            done = self._inside(container, test)
            if done.returncode == 0:
                container.healthy_after = time.monotonic() - container.began
                print(f"{name}: healthy after {container.healthy_after:.0f} s", flush=True)
                return
            said = (done.stdout + done.stderr).strip()
            if container.process is not None and container.process.poll() is not None:
                break
            time.sleep(2.0)
        raise SystemExit(f"{name} is not healthy: {said}; see {self._folder}/play/{name}.log")

    def wait_done(self, name: str) -> None:
        """Until it ended well."""
        process = self.containers[name].process
        assert process is not None
        if process.returncode == 0:
            return
        if process.wait(_ONCE_SECONDS):
            raise SystemExit(f"{name} ended with {process.returncode}; see {self._folder}/play/{name}.log")
        print(f"{name}: done in {time.monotonic() - self.containers[name].began:.0f} s", flush=True)

    def stop(self) -> None:
        """SIGTERM to all, as `docker compose stop` does, and how long each took."""
        running = [one for one in self.containers.values() if one.process is not None and one.process.poll() is None]
        begin = time.monotonic()
        for one in running:
            with suppress(IndexError):  # it ended just now
                os.kill(self._first(one), signal.SIGTERM)
        for one in running:
            assert one.process is not None
            one.process.wait(120)
            print(f"{one.name}: ended {time.monotonic() - begin:.1f} s after SIGTERM", flush=True)

    def _plug(self, container: Container) -> None:
        name, link = container.name, f"v{container.address.rsplit('.', 1)[1]}"
        sh("ip", "netns", "add", name)
        sh("ip", "-n", name, "link", "set", "lo", "up")
        if container.service.get("network_mode") == "none":
            return
        sh("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        sh("ip", "link", "set", link, "master", "bridge0", "up")
        sh("ip", "-n", name, "addr", "add", f"{container.address}/24", "dev", "eth0")
        sh("ip", "-n", name, "link", "set", "eth0", "up")

    def _root(self, image: str) -> str:
        """The file system of an image; `poft/node:0.1.0` is what `rehearse.sh` calls poft/node."""
        name = image.partition(":")[0]
        if name not in self._roots:
            container = sh("buildah", "from", "--pull-never", "--signature-policy", f"{self._folder}/policy.json", name)
            self._roots[name] = sh("buildah", "mount", container)
        return self._roots[name]

    def _script(self, container: Container) -> str:
        service, at = container.service, f"/run/netns/root-{container.name}"
        hosts = "".join(f"{one.address} {one.name}\n" for one in self.containers.values())
        names = self._folder / "play" / "hosts"
        names.write_text(f"127.0.0.1 localhost\n{hosts}")
        lines = ["set -eu", f"mkdir -p {at}-upper {at}"]
        lines += [f"mkdir -p {at}-upper/up {at}-upper/work"]
        layers = f"lowerdir={self._root(service['image'])},upperdir={at}-upper/up,workdir={at}-upper/work"
        lines += [f"mount -t overlay overlay -o {layers} {at}"]
        mounts = [
            f"mkdir -p {at}{self._place(service)}",
            f"touch {at}/etc/hosts",
            f"mount --bind {names} {at}/etc/hosts",
            f"mount -t proc proc {at}/proc",
        ]
        mounts += [f"mount --rbind /dev {at}/dev"]
        for entry in service.get("tmpfs") or []:
            path, _, options = entry.partition(":")
            mounts += [f"mkdir -p {at}{path}", f"mount -t tmpfs -o {options} tmpfs {at}{path}"]
        for volume in service.get("volumes") or []:
            source = volume["source"]
            if volume["type"] == "volume":
                source = str(self._folder / "volumes" / source)
                if not Path(source).exists():
                    Path(source).mkdir(parents=True)
                    os.chown(source, USER, USER)
            mounts += [f"mkdir -p {at}{volume['target']}", f"mount --bind {source} {at}{volume['target']}"]
            if volume.get("read_only"):
                mounts += [f"mount -o remount,bind,ro {at}{volume['target']}"]
        for secret in service.get("secrets") or []:
            target = f"{at}/run/secrets/{secret.get('target', secret['source'])}"
            source = self._config["secrets"][secret["source"]]["file"]
            mounts += [f"mkdir -p {at}/run/secrets && touch {target}", f"mount --bind {source} {target}"]
        lines += [*mounts, f"mount -o remount,ro,bind {at}" if service.get("read_only") else ":"]
        return "\n".join([*lines, f"exec {self._as_user(container, self._command(service))}"]) + "\n"

    def _place(self, service: dict[str, Any]) -> str:
        """The working directory, which a runtime makes where the image has only its name."""
        image = json.loads(sh("buildah", "inspect", "--type", "image", service["image"].partition(":")[0]))
        return str(image["Docker"]["config"].get("WorkingDir") or "/")

    def _command(self, service: dict[str, Any]) -> list[str]:
        image = json.loads(sh("buildah", "inspect", "--type", "image", service["image"].partition(":")[0]))
        entry = service.get("entrypoint") or image["Docker"]["config"]["Entrypoint"]
        return [*entry, *(service.get("command") or [])]

    def _as_user(self, container: Container, command: list[str]) -> str:
        service = container.service
        image = json.loads(sh("buildah", "inspect", "--type", "image", service["image"].partition(":")[0]))
        own = [f"{key}={value}" for key, value in (service.get("environment") or {}).items()]
        environment = [*image["Docker"]["config"]["Env"], *own]
        place = self._place(service)
        drop = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs"]
        drop += ["--bounding-set=-all", "--inh-caps=-all"]
        inner = ["env", "-i", *environment, *drop, "sh", "-c", f'cd {place} && exec "$@"', "sh", *command]
        return shlex.join(["chroot", f"/run/netns/root-{container.name}", *inner])

    def _inside(self, container: Container, command: list[str]) -> subprocess.CompletedProcess[str]:
        assert container.process is not None
        try:
            enter = ["nsenter", "--target", str(self._first(container)), "--mount", "--net", "--pid", "sh", "-c"]
        except IndexError:  # it has not come so far, or has ended
            return subprocess.CompletedProcess(command, 1, "", "it does not run")
        return subprocess.run([*enter, self._as_user(container, command)], capture_output=True, text=True, check=False)

    def _first(self, container: Container) -> int:
        """Its process 1, as this process sees it."""
        assert container.process is not None
        return int(Path(f"/proc/{container.process.pid}/task/{container.process.pid}/children").read_text().split()[0])


def main() -> int:
    """Starts services, waits until all are healthy, stops them when standard input ends."""
    folder, compose, *names = sys.argv[1:]
    play = Play(Path(folder).resolve(), resolved(Path(compose)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    play.prepare()
    try:
        for name in names:
            play.start(name)
        for name in names:
            if "healthcheck" in play.containers[name].service:
                play.wait_healthy(name)
            else:
                play.wait_done(name)
        print("all are well; end of input stops them", flush=True)
        sys.stdin.read()
    finally:
        play.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())

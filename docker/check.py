"""Checks what images are built from and compose files start, without an engine: `make docker-check`.

Findings are sentences. Four kinds of rule: Dockerfiles (pinned bases, a user who is not root, sources that exist and
reach the builder), compose files (rights, health, secrets, names that exist), agreement with the code (versions,
ports, commands, file names), and what other programs say: hadolint, `sh -n`, and `docker compose config` where that is
installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import yaml

from chains.evm.geth import CLIQUE, DATABASE
from consortium.founding import CHAINS
from consortium.member import (
    ATTESTOR_EVM,
    ATTESTOR_EVM_PORT,
    ATTESTOR_SUBSTRATE,
    ATTESTOR_SUBSTRATE_PORT,
    PAYER_EVM,
    PAYER_SUBSTRATE,
    SIGNER,
    SIGNER_PORT,
    VALIDATOR,
    VALIDATOR_PORT,
)
from consortium.network import BOOTNODES, GENESIS, NODE_SPEC, PEERS
from consortium.services import ATTEST_EVM, ATTEST_SUBSTRATE, RELAY, RELAYER_PORT

Yaml = dict[str, "Yaml"] | list["Yaml"] | str | int | bool | None
Service = dict[str, Yaml]

COMPOSE = ("demo.yaml", "consortium.yaml", "organisation.yaml")
SERVICES = "services.yaml"
SECRET_FILES = {VALIDATOR, SIGNER, ATTESTOR_EVM, ATTESTOR_SUBSTRATE, PAYER_EVM, PAYER_SUBSTRATE, "experiment"}
PUBLIC_FILES = {BOOTNODES, GENESIS, NODE_SPEC, PEERS, CHAINS}
HEALTH_PORTS = {
    ATTEST_EVM: ATTESTOR_EVM_PORT,
    ATTEST_SUBSTRATE: ATTESTOR_SUBSTRATE_PORT,
    RELAY: RELAYER_PORT,
}
PUBLISHED = {VALIDATOR_PORT, SIGNER_PORT, ATTESTOR_EVM_PORT, ATTESTOR_SUBSTRATE_PORT}
"""Ports that other members reach. JSON-RPC, health of relayers and metrics are nobody else's business."""
_SECRET_WORDS = re.compile("key|secret|password|token", re.IGNORECASE)
_SETTINGS = {"POFT_CONSORTIUM": "/c", "POFT_MEMBER": "/m", "POFT_NETWORK": "/n", "MEMBER": "north"}


def findings(root: Path) -> list[str]:
    """Everything that is wrong in the checkout at `root`."""
    docker = root / "docker"
    files = sorted(docker.glob("*/Dockerfile"))
    found = [f"{docker} has no Dockerfile"] if not files else []
    for path in files:
        found += [f"{path.relative_to(root)}: {what}" for what in _dockerfile(root, path.read_text())]
    shared = _load(docker / SERVICES)
    for name in COMPOSE:
        found += [f"docker/{name}: {what}" for what in _compose(root, _load(docker / name), shared)]
    found += _versions(root)
    for script in sorted(docker.rglob("*.sh")):
        found += [f"{script.relative_to(root)}: {what}" for what in _script(script)]
    return found


# --- Dockerfiles


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: name and rest, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in joined.splitlines() if line.strip()]


def _dockerfile(root: Path, text: str) -> Iterator[str]:
    steps, stages = instructions(text), set()
    last: dict[str, str] = {}
    users: dict[str, str] = {}
    stage = ""
    for name, rest in steps:
        if name == "FROM":
            image, _, stage = rest.partition(" AS ")
            if image not in stages and not re.fullmatch(r"[a-z]+:\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", image):
                yield f"base {image} is not pinned to a version"
            users[stage] = users.get(image, "")
            stages.add(stage)
        elif name == "COPY":
            yield from _copied(root, rest, stages)
        elif name == "USER":
            users[stage] = rest
        elif name in {"ARG", "ENV"} and _SECRET_WORDS.search(rest):
            yield f"{name} {rest.split('=')[0]} looks like a secret"
        last[name] = rest
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users.get(stage, "")):
        yield "the last stage does not set a numeric user other than root"
    if last.get("STOPSIGNAL") != "SIGTERM":
        yield "STOPSIGNAL SIGTERM is missing: everything here ends cleanly on it"
    command = re.findall(r'"([^"]+)"', last.get("ENTRYPOINT", ""))
    if not command:
        yield "ENTRYPOINT is missing, or a shell runs it"
    elif not _in_image(root, command[0], text):
        yield f"{command[0]} is not in the image"
    health = re.search(r'CMD \["([^"]+)"', last.get("HEALTHCHECK", ""))
    if health and not _in_image(root, health[1], text):
        yield f"{health[1]} is not in the image"


def _copied(root: Path, rest: str, stages: set[str]) -> Iterator[str]:
    words = [word for word in rest.split() if not word.startswith("--chmod")]
    if words[0].startswith("--from="):
        if words[0].removeprefix("--from=") not in stages:
            yield f"{words[0]} names no earlier stage"
        return
    for source in words[:-1]:
        matches = list(root.glob(source))
        if not matches:
            yield f"COPY {source}: it does not exist"
        elif any(not reaches(root, match) for match in matches):
            yield f"COPY {source}: .dockerignore keeps it away"


def reaches(root: Path, path: Path) -> bool:
    """Whether .dockerignore lets a file through to the builder: the last line that fits decides."""
    relative = path.relative_to(root)
    candidates = [str(relative), *(str(parent) for parent in relative.parents if str(parent) != ".")]
    allowed = True
    for line in (root / ".dockerignore").read_text().splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        bare = pattern.removeprefix("!").removeprefix("**/")
        fits = any(fnmatch(one, bare) or ("**/" in pattern and fnmatch(Path(one).name, bare)) for one in candidates)
        if fits:
            allowed = pattern.startswith("!")
    return allowed


def _in_image(root: Path, command: str, text: str) -> bool:
    """Whether an image has a command: a script that is copied, or the console script of the package."""
    if command in _scripts(root):
        return True
    return bool(re.search(rf"^COPY .*/{re.escape(command)}\b", text, re.MULTILINE))


def _scripts(root: Path) -> set[str]:
    return set(tomllib.loads((root / "pyproject.toml").read_text())["project"]["scripts"])


# --- compose files


def resolve(service: Service, own: dict[str, Service], shared: dict[str, Service]) -> Service:
    """A service with what it extends."""
    extended = service.get("extends")
    if not isinstance(extended, dict):
        return service
    place = shared if "file" in extended else own
    base = resolve(place[str(extended["service"])], place, shared)
    return {**base, **{key: value for key, value in service.items() if key != "extends"}}


def _compose(root: Path, file: dict[str, Yaml], shared_file: dict[str, Yaml]) -> Iterator[str]:
    shared, own = _services(shared_file), _services(file)
    for name, service in own.items():
        whole = resolve(service, own, shared)
        for what in (*_rights(whole), *_names(root, whole, file), *_health(whole), *_built(root, whole)):
            yield f"{name}: {what}"
    secrets = file.get("secrets") or {}
    assert isinstance(secrets, dict)
    for name, secret in secrets.items():
        path = secret.get("file") if isinstance(secret, dict) else None
        if not isinstance(path, str) or Path(path).name.removesuffix(".toml") not in SECRET_FILES:
            yield f"secret {name} is no file that poft consortium writes"


def _services(file: dict[str, Yaml]) -> dict[str, Service]:
    services = file["services"]
    assert isinstance(services, dict)
    return {name: service for name, service in services.items() if isinstance(service, dict)}


def _rights(service: Service) -> Iterator[str]:
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))):
        yield "runs as root"
    if service.get("read_only") is not True:
        yield "its root file system can be written"
    if service.get("cap_drop") != ["ALL"] or "cap_add" in service or service.get("privileged"):
        yield "it has capabilities"
    if service.get("security_opt") != ["no-new-privileges:true"]:
        yield "it can gain privileges"
    image = str(service.get("image", ""))
    if ":" not in image or image.endswith(":latest"):
        yield f"image {image!r} has no version"
    if service.get("restart") != "no" and "stop_grace_period" not in service:
        yield "no stop_grace_period"
    environment = service.get("environment") or {}
    for key in environment if isinstance(environment, dict) else ():
        if _SECRET_WORDS.search(key):
            yield f"{key} in the environment looks like a secret"


def _names(root: Path, service: Service, file: dict[str, Yaml]) -> Iterator[str]:
    for kind in ("networks", "volumes", "secrets"):
        declared = file.get(kind) or {}
        assert isinstance(declared, dict)
        used = service.get(kind) or []
        assert isinstance(used, dict | list)
        for one in used:
            name = str(one.get("source")) if isinstance(one, dict) else str(one)
            if kind == "volumes":
                name = re.sub(r"\$\{[^}]*\}", "", name).split(":")[0]
                if name.startswith("/") or not name:
                    continue
            if name not in declared:
                yield f"{kind}: {name} is not declared"
            target = str(one.get("target", name)) if isinstance(one, dict) else name
            if kind == "secrets" and target not in SECRET_FILES:
                yield f"secret {target} is none that the services look for"
    ports = service.get("ports") or []
    assert isinstance(ports, list)
    for port in ports:
        if int(str(port).split(":")[-1]) not in PUBLISHED:
            yield f"port {port} is published, and is none that other members need"
    entry = service.get("entrypoint")
    if isinstance(entry, list) and not any(root.glob(f"docker/*/{entry[0]}")):
        yield f"{entry[0]} does not exist"


def _health(service: Service) -> Iterator[str]:
    command = [str(word) for word in service.get("command") or []]  # type: ignore[union-attr]
    check = service.get("healthcheck")
    test = [str(word) for word in check.get("test") or []] if isinstance(check, dict) else []  # type: ignore[union-attr]
    if service.get("restart") != "no" and not test:
        yield "it runs for ever, and nothing asks for its health"
    if command and "--config" in command:
        name = Path(command[-1]).name
        if name not in HEALTH_PORTS:
            yield f"{name} is no file that poft consortium writes"
        elif test[1:] != ["health.py", str(HEALTH_PORTS[name])]:
            yield f"its health is asked at {test[1:]}, and it listens on {HEALTH_PORTS[name]}"


def _built(root: Path, service: Service) -> Iterator[str]:
    build = service.get("build")
    if not isinstance(build, dict):
        yield "nothing says how its image is built"
        return
    path = root / str(build["dockerfile"])
    if not path.is_file():
        yield f"{build['dockerfile']} does not exist"
        return
    stages = re.findall(r"^FROM .* AS (\S+)$", path.read_text(), re.MULTILINE)
    if "target" in build and build["target"] not in stages:
        yield f"{build['dockerfile']} has no stage {build['target']}"
    command = service.get("command")
    if isinstance(command, list) and command:
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
        if command[0] not in project["entry-points"]["poft.commands"]:
            yield f"poft has no command {command[0]}"


# --- agreement with the code


def _versions(root: Path) -> Iterator[str]:
    text = {name: (root / "docker" / name / "Dockerfile").read_text() for name in ("node", "geth", "poft")}
    if f"/cmd/geth@{CLIQUE}\n" not in text["geth"]:
        yield f"docker/geth/Dockerfile: the project's geth is {CLIQUE}"
    if (root / "docker/geth/signer.sh").read_text().count(" ".join(DATABASE)) != 2:
        yield f"docker/geth/signer.sh: the project's database is {' '.join(DATABASE)}"
    makefile = (root / "Makefile").read_text()
    least = _version(r"install Rust (\d+\.\d+) or newer", makefile)
    if _version(r"FROM rust:(\d+\.\d+)", text["node"]) < least:
        yield f"docker/node/Dockerfile: Rust {least} or newer is needed"
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    python = project["requires-python"].removeprefix(">=")
    if set(re.findall(r"python(\d+\.\d+)", text["poft"])) != {python}:
        yield f"docker/poft/Dockerfile: the project's Python is {python}"
    if _version(r"FROM node:(\d+\.\d+)", text["poft"]) < _version(r"Node (\d+) with npm", makefile):
        yield "docker/poft/Dockerfile: its Node is older than the Makefile's"
    for line in re.findall(r".*pip install.*", text["poft"]):
        if "--constraint constraints.txt" not in line:
            yield "docker/poft/Dockerfile: pip install without constraints.txt"
    shared = _services(_load(root / "docker" / SERVICES))
    wanted = {"poft/geth": CLIQUE.removeprefix("v")}
    for name, service in shared.items():
        image, _, tag = str(resolve(service, shared, shared)["image"]).partition(":")
        if tag != wanted.get(image, project["version"]):
            yield f"docker/{SERVICES}: {name}'s image is {tag}, and the project is {project['version']}"


def _version(pattern: str, text: str) -> tuple[int, ...]:
    found = re.search(pattern, text)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def _script(path: Path) -> Iterator[str]:
    text = path.read_text()
    if not path.stat().st_mode & 0o100:
        yield "is not executable"
    for name in re.findall(r"/network/([\w.-]+)", text):
        if name not in PUBLIC_FILES:
            yield f"/network/{name} is no file that poft consortium writes"
    for name in re.findall(r"/run/secrets/([\w-]+)", text):
        if name not in SECRET_FILES:
            yield f"/run/secrets/{name} is no secret of a member"
    shell = "bash" if text.startswith("#!/bin/bash") else "sh"
    said = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False).stderr
    if said:
        yield said.strip()


# --- other programs


def hadolint(root: Path) -> list[str]:
    """What hadolint says of the Dockerfiles; it comes with the extra `dev`."""
    program = Path(sys.executable).parent / "hadolint"
    files = sorted(str(path.relative_to(root)) for path in root.glob("docker/*/Dockerfile"))
    command = [str(program), "--config", "docker/hadolint.yaml", *files]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.splitlines()


def compose_config(root: Path) -> list[str]:
    """What `docker compose config` says of the compose files."""
    found = []
    for name in COMPOSE:
        command = ["docker", "compose", "--file", f"docker/{name}", "config", "--quiet"]
        done = subprocess.run(
            command, cwd=root, env={**os.environ, **_SETTINGS}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            found.append(f"docker/{name}: {done.stderr.strip()}")
    return found


def has_compose() -> bool:
    """Whether Docker's client has the plug-in."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0


def _load(path: Path) -> dict[str, Yaml]:
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict), path
    return content


def main() -> int:
    """Prints findings; 0 when there are none."""
    root = Path(__file__).resolve().parent.parent
    found = findings(root) + hadolint(root)
    if has_compose():
        found += compose_config(root)
    else:
        print("docker compose is not installed: `docker compose config` was not asked")
    print("\n".join(found) or f"{len(COMPOSE)} compose files and their images: nothing to say")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

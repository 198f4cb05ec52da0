"""Looks into what is published: ``package_check.py ROOT FILE...``.

Each file has to carry the version and the licences of the workspace, the address of its repository and what introduces it; and those
with a native part exactly one, where it is looked for.
"""

from __future__ import annotations

import email
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from xml.etree import ElementTree

LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")
NATIVE = re.compile(r"\.(so|dylib|dll|pyd|node)$")
POM = "{http://maven.apache.org/POM/4.0.0}"


class Wrong(Exception):
    """What a file does not carry."""


class Workspace:
    def __init__(self, root: Path) -> None:
        manifest = (root / "Cargo.toml").read_text()
        self.version = self._said(manifest, "version")
        self.repository = self._said(manifest, "repository")
        self.license = self._said(manifest, "license")
        self.licences = {name: (root / name).read_bytes() for name in LICENCES}

    @staticmethod
    def _said(manifest: str, key: str) -> str:
        package = manifest.split("[workspace.package]")[1].split("\n[")[0]
        found = re.search(rf'^{key} = "(.*)"$', package, re.MULTILINE)
        if not found:
            raise Wrong(f"Cargo.toml says no {key}")
        return found[1]

    def check_licences(self, read: Callable[[str], bytes], folder: str) -> None:
        for name, text in self.licences.items():
            true(f"{name} is that of the workspace", read(f"{folder}{name}") == text)

    def check_python(self, metadata: Message) -> None:
        same("name", metadata["Name"], "calsync")
        same("version", metadata["Version"], self.version)
        same("licence", metadata["License-Expression"], self.license)
        same("licence files", sorted(metadata.get_all("License-File", [])), sorted(LICENCES))
        true("there is the address", f"Repository, {self.repository}" in metadata.get_all("Project-URL", []))
        true("there is the README", self.repository in str(metadata.get_payload()))


def same(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise Wrong(f"{what}: {found!r}, not {wanted!r}")


def true(what: str, found: bool) -> None:
    if not found:
        raise Wrong(f"it is not so that {what}")


def native(names: list[str]) -> list[str]:
    return [name for name in names if NATIVE.search(name)]


def check_wheel(file: Path, workspace: Workspace) -> None:
    with zipfile.ZipFile(file) as wheel:
        info = f"calsync-{workspace.version}.dist-info/"
        workspace.check_python(email.message_from_bytes(wheel.read(f"{info}METADATA")))
        workspace.check_licences(wheel.read, f"{info}licenses/")
        same("py.typed", wheel.read("calsync/py.typed"), b"")
        true("it is for every Python from 3.10 on", "-cp310-abi3-" in file.name)
        same("native parts", native(wheel.namelist()), ["calsync/_calsync.abi3.so"])


def of_tar(file: Path) -> tuple[list[str], Callable[[str], bytes]]:
    tar = tarfile.open(file)

    def read(name: str) -> bytes:
        member = tar.extractfile(name)
        if member is None:
            raise Wrong(f"{name} is no file")
        return member.read()

    return tar.getnames(), read


def check_source(file: Path, workspace: Workspace) -> None:
    names, read = of_tar(file)
    folder = f"calsync-{workspace.version}/"
    workspace.check_python(email.message_from_bytes(read(f"{folder}PKG-INFO")))
    workspace.check_licences(read, folder)
    same("native parts", native(names), [])


def check_npm(file: Path, workspace: Workspace) -> None:
    names, read = of_tar(file)
    manifest = json.loads(read("package/package.json"))
    same("version", manifest["version"], workspace.version)
    same("licence", manifest["license"], workspace.license)
    same("repository", manifest["repository"]["url"], f"git+{workspace.repository}.git")
    same("homepage", manifest["homepage"].split("#")[0], workspace.repository)
    true("there is the README", workspace.repository.encode() in read("package/README.md"))
    workspace.check_licences(read, "package/")
    if manifest["name"] == "calsync":
        same("native parts", native(names), [])
        same("versions of the platforms' packages", set(manifest["optionalDependencies"].values()), {workspace.version})
    else:
        same("native parts", native(names), [f"package/{manifest['main']}"])
        same("one each", (len(manifest["os"]), len(manifest["cpu"])), (1, 1))
        same("a libc is named", "libc" in manifest, manifest["os"] == ["linux"])


def check_jar(file: Path, workspace: Workspace) -> None:
    with zipfile.ZipFile(file) as jar:
        workspace.check_licences(jar.read, "META-INF/")
        # A folder per platform, as JNA looks for it.
        (library,) = native(jar.namelist())
        named = re.fullmatch(r"(linux|darwin)-[\w-]+/libcalsync_mobile\.(so|dylib)", library)
        true(f"{library} is where JNA looks", named is not None)


def check_pom(file: Path, workspace: Workspace) -> None:
    pom = ElementTree.parse(file).getroot()

    def said(path: str) -> str | None:
        return pom.findtext("/".join(POM + part for part in path.split("/")))

    same("version", said("version"), workspace.version)
    same("addresses", {said("url"), said("scm/url")}, {workspace.repository})
    names = [name.text for name in pom.iterfind(f"{POM}licenses/{POM}license/{POM}name")]
    same("licences", " OR ".join(filter(None, names)), workspace.license)


CHECKS: dict[str, Callable[[Path, Workspace], None]] = {
    ".whl": check_wheel,
    ".tar.gz": check_source,
    ".tgz": check_npm,
    ".jar": check_jar,
    ".pom": check_pom,
}


def main() -> None:
    root, *files = map(Path, sys.argv[1:])
    if not files:
        sys.exit("no file to look into")
    workspace = Workspace(root)
    for file in files:
        check = next(check for ending, check in CHECKS.items() if file.name.endswith(ending))
        try:
            check(file, workspace)
        except (Wrong, KeyError, ValueError) as error:
            sys.exit(f"{file.name}: {error}")


main()

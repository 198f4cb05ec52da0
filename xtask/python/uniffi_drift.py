"""Whether the committed Kotlin and Swift files are those that would be generated from a built library (ELF, with symbols).

``--write`` notes what they were generated from. Two things are looked at: the checksums in the files, one for every function,
against those the library gives; and a digest of all that uniffi would read out of the library, which also covers its types,
against the noted one.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import re
import struct
import sys
from pathlib import Path

CHECKSUM = re.compile(r"(uniffi_\w+_checksum_\w+)\(\)(?: and 0xFFFF\))? != (\d+)")


def metadata(library: bytes) -> dict[str, bytes]:
    """What uniffi left in the library, by symbol."""
    if library[:6] != b"\x7fELF\x02\x01":
        sys.exit("not a 64-bit ELF library")
    table, size, count = struct.unpack_from("<Q", library, 0x28)[0], *struct.unpack_from("<HH", library, 0x3A)
    sections = [struct.unpack_from("<IIQQQQIIQQ", library, table + size * number) for number in range(count)]
    found: dict[str, bytes] = {}
    for _, kind, _, _, offset, length, link, _, _, entry in sections:
        if kind != 11:  # SHT_DYNSYM
            continue
        names = sections[link][4]
        for place in range(offset, offset + length, entry):
            name, _, _, section, address, extent = struct.unpack_from("<IBBHQQ", library, place)
            end = library.index(b"\0", names + name)
            text = library[names + name : end].decode()
            if text.startswith("UNIFFI_META_") and section < count:
                start = address - sections[section][3] + sections[section][4]
                found[text] = library[start : start + extent]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--lock", type=Path, required=True, help="Cargo.lock: whose uniffi")
    parser.add_argument("--stamp", type=Path, required=True)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("files", type=Path, nargs="+")
    args = parser.parse_args()

    interface = metadata(args.library.read_bytes())
    if not interface:
        sys.exit("the library has no interface: was it stripped?")
    digest = hashlib.sha256()
    for name in sorted(interface):
        digest.update(f"{name} {len(interface[name])} ".encode() + interface[name])
    version = re.search(r'name = "uniffi"\nversion = "([^"]+)"', args.lock.read_text("utf-8"))
    assert version is not None
    sources = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in args.files}
    noted = {"uniffi": version[1], "interface": digest.hexdigest(), "files": sources}
    if args.write:
        args.stamp.write_text(json.dumps(noted, indent=2) + "\n", "utf-8")

    wrong: list[str] = []
    before = json.loads(args.stamp.read_text("utf-8"))
    wrong += [f"{key} is not the one that was generated from" for key in ("uniffi", "interface") if before[key] != noted[key]]
    wrong += [f"{name} was edited" for name in sources if before["files"].get(name) != sources[name]]
    loaded = ctypes.CDLL(str(args.library))
    functions = {
        "uniffi_calsync_mobile_checksum_" + name.removeprefix("UNIFFI_META_CALSYNC_MOBILE_").lower()
        for name in interface
        if re.match(r"UNIFFI_META_CALSYNC_MOBILE_(FUNC|METHOD|CONSTRUCTOR)_", name)
    }
    for path in args.files:
        text = path.read_text("utf-8")
        checksums = dict(CHECKSUM.findall(text))
        if not checksums:
            continue
        if set(checksums) != functions:
            wrong.append(f"{path.name} knows other functions: {sorted(set(checksums) ^ functions)}")
        for name, value in checksums.items():
            function = getattr(loaded, name, None)
            if function is None or function() & 0xFFFF != int(value):
                wrong.append(f"{path.name}: {name} is another one")
    if wrong:
        sys.exit("\n".join([*wrong, "run `cargo xtask bindgen` and look at what changed"]))
    print(f"{len(args.files)} files and {len(functions)} checksums are those of the library")


if __name__ == "__main__":
    main()

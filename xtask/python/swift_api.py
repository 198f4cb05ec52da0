"""Reads the Swift of a package without a compiler: its syntax, and its public API against the noted one (``api.txt``).

``--write`` notes the API as it is now. The files of a package named with ``--also`` are read, and have no API.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import tree_sitter_swift
from tree_sitter import Language, Node, Parser

# What is Swift and not known to the grammar; generated code has it.
UNKNOWN = {b"@_documentation(visibility: private)": b"", b"{ () }": b"{ }"}
# What has members, and what is one.
TYPES = {"class_declaration", "protocol_declaration"}
MEMBERS = {
    "enum_entry",
    "function_declaration",
    "init_declaration",
    "property_declaration",
    "protocol_function_declaration",
    "subscript_declaration",
    "typealias_declaration",
}
BODIES = {
    "class_body",
    "code_block",
    "computed_property",
    "enum_class_body",
    "function_body",
    "protocol_body",
}


def text(node: Node) -> str:
    return (node.text or b"").decode()


def errors(node: Node) -> Iterator[Node]:
    if node.type == "ERROR" or node.is_missing:
        yield node
    elif node.has_error:
        for child in node.children:
            yield from errors(child)


def signature(node: Node) -> str:
    """A declaration up to its body."""
    end = len(node.text or b"")
    computed = ""
    for child in node.children:
        if child.type in BODIES:
            end = child.start_byte - node.start_byte
            computed = " { get }" if child.type == "computed_property" else ""
            break
    return re.sub(r"\s+", " ", (node.text or b"")[:end].decode()).strip() + computed


def declarations(node: Node, depth: int, shown: bool) -> Iterator[str]:
    """The public declarations in a node; the members of a protocol and the cases of an enum are as public as itself."""
    for child in node.children:
        if child.type not in TYPES | MEMBERS:
            yield from declarations(child, depth, shown) if child.type in BODIES else ()
            continue
        modifiers = next((text(part) for part in child.children if part.type == "modifiers"), "")
        if child.type == "enum_entry" or not (shown or re.search(r"\b(public|open)\b", modifiers)):
            continue
        yield "    " * depth + signature(child)
        if child.type in TYPES:
            yield from declarations(child, depth + 1, child.type == "protocol_declaration")
            bodies = (part for part in child.children if part.type == "enum_class_body")
            entries = (entry for body in bodies for entry in body.children if entry.type == "enum_entry")
            yield from ("    " * (depth + 1) + signature(entry) for entry in entries)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("package", type=Path)
    arguments.add_argument("--write", action="store_true")
    arguments.add_argument("--also", type=Path, action="append", default=[])
    args = arguments.parse_args()

    parser = Parser(Language(tree_sitter_swift.language()))
    wrong: list[str] = []
    api: list[str] = []
    packages = [args.package, *args.also]
    sources = [path for package in packages for path in sorted((package / "Sources").rglob("*.swift"))]
    files = [*(package / "Package.swift" for package in packages), *sources]
    for path in files:
        source = path.read_bytes()
        for unknown, known in UNKNOWN.items():
            source = source.replace(unknown, known)
        tree = parser.parse(source)
        for node in errors(tree.root_node):
            line = node.start_point[0] + 1
            wrong.append(f"{path}:{line}: cannot be read: {text(node)[:80]!r}")
        if path.parent.name == "Calsync":
            api += [f"// {path.name}", *declarations(tree.root_node, 0, False), ""]
    if wrong:
        sys.exit("\n".join(wrong))
    noted = args.package / "api.txt"
    now = "\n".join(api)
    if args.write:
        noted.write_text(now, "utf-8")
    before = noted.read_text("utf-8")
    if before != now:
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), now.splitlines(True), "noted", "now"))
        sys.exit("the public API is another one: look at it, then note it with --write")
    print(f"{len(files)} files are Swift; the public API has {len([line for line in api if line])} lines, as noted")


if __name__ == "__main__":
    main()

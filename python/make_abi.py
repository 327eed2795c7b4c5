#!/usr/bin/env python3
"""daub.h and daub_parameters.h as ctypes declarations: make_abi.py [--check | --probe] [FOLDER]

Writes daub/_abi.py, _abi.pyi and _functions.py, which are checked in. --check writes nothing and ends with 1 where one is not what the headers
give. --probe prints a C program that prints the sizes and offsets of the headers' structs as the compiler sees them,
for tests/test_abi.py. FOLDER has the headers; default: include/. Of daub_tools.h, which may change, only TOOLS are taken.

The headers are read by what they keep to: one declaration a statement, and typedefs of enums, structs, opaque structs and
functions.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "include")
HEADERS = ("daub_base.h", "daub_model.h", "daub_sampling.h", "daub.h", "daub_parameters.h")
TOOLS = ("daub_tools_model_hash", "daub_tools_parts_hash", "daub_tools_vae_hash", "daub_tools_config_hash")  # of pictures' parameters
OUTPUT = os.path.join(HERE, "daub")
MADE = '"""daub.h and daub_parameters.h for ctypes. Made by make_abi.py from include/; do not edit, run that."""'

SCALARS = {  # C's name: ctypes', and the type that a field of it has in Python
    "bool": ("c_bool", "bool"),
    "float": ("c_float", "float"),
    "double": ("c_double", "float"),
    "size_t": ("c_size_t", "int"),
    "uint8_t": ("c_uint8", "int"),
    "int32_t": ("c_int32", "int"),
    "uint32_t": ("c_uint32", "int"),
    "int64_t": ("c_int64", "int"),
    "uint64_t": ("c_uint64", "int"),
    "int": ("c_int", "int"),
}


class Header:
    """What headers declare: enums, structs as (name, [(field, C type, array length or None)]), functions as (name,
    result, arguments)."""

    def __init__(self, text):
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", text, flags=re.S)
        self.constants = [(n, v) for n, v in re.findall(r"^#define (DAUB_\w+) +(\d+|UINT32_MAX)$", text, re.M)]
        text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", "", text, flags=re.M)
        self.enums, self.structs, self.functions, self.callbacks = [], [], [], {}
        opaque = re.compile(r"typedef struct (\w+) \1;")
        self.opaque = set(opaque.findall(text))
        for name, body in re.findall(r"typedef enum (\w+) \{(.*?)\} \1;", text, re.S):
            self.enums.append((name, re.findall(r"(\w+) = (-?\d+)", body)))
        for result, name, arguments in re.findall(r"typedef ([\w ]+?[ *]+)\(\*(\w+)\)\(([^;]*)\);", text):
            self.callbacks[name] = (result, arguments)
        names = {name for name, _ in re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, re.S)}
        self.known = names
        for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\n\} \1;", text, re.S):
            self.structs.append((name, self.fields(body)))
        for declaration in re.findall(r"DAUB_API ([^;]+);", text):
            result, name, arguments = re.fullmatch(r"(.+?[ *])(\w+)\((.*)\)", " ".join(declaration.split())).groups()
            self.functions.append((name, result, arguments))

    def fields(self, body):
        out = []
        for statement in body.split(";"):
            statement = " ".join(statement.split())
            function = re.fullmatch(r"(.+?[ *])\(\*(\w+)\)\((.*)\)", statement)
            if function:
                out.append((function.group(2), self.function(function.group(1), function.group(3)), None))
            elif statement:
                base, declarators = re.fullmatch(r"((?:const |struct )*\w+) ?(.*)", statement).groups()
                for declarator in declarators.split(","):
                    stars, name, length = re.fullmatch(r" *(\**)(\w+)(?: ?\[(\d+)\])?", declarator).groups()
                    out.append((name, self.type(base + stars, length), length))
        return out

    def type(self, text, length=None):
        """A C type as ctypes has it: handles and memory of any kind are c_void_p, text is c_char_p."""
        const = "const" in text
        base = re.sub(r"\b(const|struct)\b", "", text).replace("*", "").strip()
        stars = text.count("*")
        if base == "char" and length:
            return "c_char * %s" % length
        if base == "char" and stars == 1 and const:
            return "c_char_p"
        if base in self.callbacks and not stars:
            return base
        known = {name for name, _ in self.enums}
        if base in SCALARS or base in known:
            inner = SCALARS[base][0] if base in SCALARS else "c_int"
        elif base in self.known:
            inner = base
        else:  # void, char, handles, structs of other headers
            inner, stars = "c_void_p", stars - 1
        for _ in range(stars):
            inner = "POINTER(%s)" % inner
        return "%s * %s" % (inner, length) if length else inner

    def function(self, result, arguments):
        return "CFUNCTYPE(%s)" % ", ".join([self.result(result)] + self.arguments(arguments))

    def result(self, text):
        return "None" if text.strip() == "void" else self.type(text)

    def arguments(self, text):
        if text.strip() in ("", "void"):
            return []
        return [self.type(re.fullmatch(r"(.*?[ *])\w+(\[\d*\])?", one.strip()).group(1)) for one in text.split(",")]


def hint(kind):
    """What a field of a struct reads as in Python."""
    for name, (ctype, python) in SCALARS.items():
        if kind == ctype:
            return python
    if kind == "c_int":
        return "int"
    if kind.startswith("c_char *"):
        return "bytes"
    return "Optional[bytes]" if kind == "c_char_p" else "Any"


def python(header):
    lines = [
        MADE,
        "from ctypes import CFUNCTYPE, POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_float, c_int, c_int32",
        "from ctypes import c_size_t, c_uint8, c_uint32, c_uint64, c_void_p",
        "",
        "UINT32_MAX = 0xFFFFFFFF",
    ]
    lines += ["%s = %s" % (name, value) for name, value in header.constants]
    lines.append('VERSION = "%d.%d.%d" % (DAUB_VERSION_MAJOR, DAUB_VERSION_MINOR, DAUB_VERSION_PATCH)')
    for name, members in header.enums:
        lines += ["# enum %s" % name] + ["%s = %s" % member for member in members]
    lines.append("")
    for name, (result, arguments) in header.callbacks.items():
        lines.append("%s = %s" % (name, header.function(result, arguments)))
    for name, fields in header.structs:
        lines += ["", "class %s(Structure):" % name, "    _fields_ = ["]
        lines += ['        ("%s", %s),' % (field, kind) for field, kind, _ in fields] + ["    ]"]
    return "\n".join(lines) + "\n"


def functions(header):
    lines = [
        MADE,
        "from __future__ import annotations",
        "",
        "from ctypes import POINTER, c_bool, c_char_p, c_double, c_float, c_int, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p",
        "from typing import Any",
        "",
        "from ._abi import *  # noqa: F403",
        "",
        "# name: (result, arguments)",
        "FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {",
    ]
    for name, result, arguments in header.functions:
        lines.append('    "%s": (%s, [%s]),' % (name, header.result(result), ", ".join(header.arguments(arguments))))
    return "\n".join(lines + ["}"]) + "\n"


def stub(header):
    """The same for type checkers, which cannot read a struct's _fields_."""
    lines = [MADE, "from ctypes import Structure", "from typing import Any, Optional", "", "UINT32_MAX: int"]
    lines += ["%s: int" % name for name, _ in header.constants] + ["VERSION: str"]
    lines += ["%s: int" % name for _, members in header.enums for name, _ in members]
    lines += ["%s: Any" % name for name in header.callbacks]
    for name, fields in header.structs:
        lines += ["", "class %s(Structure):" % name]
        lines += ["    %s: %s" % (field, kind if kind in header.known else hint(kind)) for field, kind, _ in fields]
    return "\n".join(lines) + "\n"


def probe(header):
    lines = ["#include <%s>" % name for name in HEADERS]
    lines += ["#include <stdio.h>", "", "int main(void)", "{"]
    for name, fields in header.structs:
        lines.append('    printf("%s %%zu\\n", sizeof(%s));' % (name, name))
        lines += ['    printf("%s.%s %%zu %%zu\\n", offsetof(%s, %s), sizeof(((%s *)0)->%s));' % (name, field, name,
        field, name, field)
                  for field, _, _ in fields]
    for _, members in header.enums:
        lines += ['    printf("%s %%d\\n", (int)%s);' % (name, name) for name, _ in members]
    return "\n".join(lines + ["    return 0;", "}"]) + "\n"


def read(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return file.read()


def main():
    options = [argument for argument in sys.argv[1:] if argument.startswith("--")]
    paths = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    folder = paths[0] if paths else FOLDER
    header = Header("\n".join(read(folder, name) for name in HEADERS))
    header.functions += [f for f in Header(read(folder, "daub_tools.h")).functions if f[0] in TOOLS]
    if "--probe" in options:
        sys.stdout.write(probe(header))
        return 0
    for name, text in (("_abi.py", python(header)), ("_abi.pyi", stub(header)), ("_functions.py", functions(header))):
        path = os.path.join(OUTPUT, name)
        if "--check" in options:
            with open(path, encoding="utf-8") as file:
                if file.read() != text:
                    print("%s is not what the headers in include/ give; run python/make_abi.py" % os.path.basename(path))
                    return 1
        else:
            with open(path, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Real C projects build and pass their tests in nacre as they do natively.

Debian's sources of zlib and lua5.4 come by tools/debian-source; without them the
test is skipped. zlib is built in a bound folder, whose results the host sees
afterwards; lua in the overlay. Output is compared as a set of lines, because
make -j4 orders them as it likes, and the programs that came out byte by byte.

timeout: 600
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

LUA_MAKEFILE = r"""
CFLAGS = -O2 -Wall -DLUA_COMPAT_5_3 -DLUA_USE_LINUX
COMMON = $(patsubst %.c,%.o,$(filter-out lua.c luac.c,$(wildcard *.c)))
all: lua luac
lua luac: %: %.o liblua.a
	$(CC) -o $@ $< liblua.a -lm -ldl -Wl,-E
liblua.a: $(COMMON)
	ar rcD $@ $^
"""

LUA_SCRIPT = r"""
local seen = {}
for w in ("the cat and the hat and the bat"):gmatch("%a+") do seen[w] = (seen[w] or 0) + 1 end
local words = {}
for w, n in pairs(seen) do words[#words + 1] = w .. "=" .. n end
table.sort(words)
print(table.concat(words, " "))
local co = coroutine.wrap(function() for i = 1, 5 do coroutine.yield(i * i) end end)
print(co(), co(), co(), co(), co())
local name = os.tmpname()
local f = assert(io.open(name, "w+"))
for i = 1, 10000 do f:write(i, "\n") end
f:seek("set", 0)
local sum = 0
for line in f:lines() do sum = sum + tonumber(line) end
f:close()
print(sum, os.rename(name, name .. ".x"), os.remove(name .. ".x"), (os.remove(name)))
local p = assert(io.popen("tr a-z A-Z; exit 3", "w"))
p:write("through a pipe\n")
print(p:close())
local q = assert(io.popen("seq 1 1000 | wc -l"))
print(q:read("a"), q:close())
local t = {}
for i = 1, 200000 do t[i] = {i} end
t = nil
collectgarbage()
print(collectgarbage("count") < 2000, os.execute("exit 7"))
print(pcall(error, {code = 2}), select("#", table.unpack({}, 1, 100)))
"""

LUA_FILES = {
    "test.mk": LUA_MAKEFILE,
    "test.lua": LUA_SCRIPT,
    # What Debian's rules file generates.
    "lua5.4-deb-multiarch.h": '#define DEB_HOST_MULTIARCH "x86_64-linux-gnu"\n',
}

PROJECTS = [
    # package, its folder inside the source, command, what is compared
    ("zlib", ".", "./configure && make -j4 && make test",
     ["libz.so.1.2.13", "example", "minigzip", "example64", "zconf.h"]),
    ("lua5.4", "src", "make -j4 -f test.mk && ./lua test.lua && ./luac -l -o out test.lua"
     " && ./lua out", ["lua", "luac", "out"]),
]


def fetch(package, folder):
    command = [os.path.join(os.environ["SOURCE"], "tools/debian-source"), package, folder]
    p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
    found = [n for n in os.listdir(folder)
             if n.startswith(package + "-") and os.path.isdir(os.path.join(folder, n))]
    if p.returncode != 0 or not found:
        print(p.stdout.decode(errors="replace"))
        return None
    return os.path.join(folder, found[0])


def run(argv, cwd):
    env = dict(os.environ, LC_ALL="C", HOME=cwd, CC="gcc", MAKEFLAGS="")
    p = subprocess.run(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=250)
    return p.returncode, p.stdout.decode(errors="replace").split("\n")


def digest(path):
    try:
        with open(path, "rb") as f:
            return hashlib.sha256(f.read()).hexdigest()
    except OSError as error:
        return str(error)


def without_addresses(lines):
    """luac -l prints where its functions lie in memory."""
    return sorted(" ".join(w for w in line.split() if "0x" not in w) for line in lines)


def compare(package, native, inside, files, trees):
    same = True
    if native[0] != 0:
        print("%s: natively status %d:" % (package, native[0]), *native[1][-20:], sep="\n  ")
        return False
    if inside[0] != 0:
        print("%s: in nacre status %d:" % (package, inside[0]), *inside[1][-20:], sep="\n  ")
        return False
    a, b = without_addresses(native[1]), without_addresses(inside[1])
    for line in sorted(set(a) ^ set(b))[:20]:
        same = False
        print("%s: only %s: %s" % (package, "natively" if line in a else "in nacre", line))
    for name in files:
        if len({digest(os.path.join(tree, name)) for tree in trees}) != 1:
            same = False
            print("%s: %s is not the same" % (package, name))
    return same


def test(package, subfolder, command, files, scratch):
    source = fetch(package, scratch)
    if not source:
        return None
    source = os.path.join(source, subfolder)
    if package == "lua5.4":
        for name, text in LUA_FILES.items():
            with open(os.path.join(source, name), "w") as f:
                f.write(text)
    trees = [os.path.join(scratch, package + "-native"), os.path.join(scratch, package + "-nacre")]
    for tree in trees:
        shutil.copytree(source, tree, symlinks=True)
    native = run(["sh", "-c", command], trees[0])
    nacre = [os.environ["NACRE"], "do", "--bind", trees[1] + ":/src"]
    if package == "lua5.4":
        # In the overlay; what is compared is copied out at the end.
        command = ("cp -a /src /tmp/lua && cd /tmp/lua && { %s; } && cp %s /src"
                   % (command, " ".join(files)))
    inside = run(nacre + ["--cwd", "/src", "--", "sh", "-c", command], trees[1])
    return compare(package, native, inside, files, trees)


def main():
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory() as scratch:
        for project in PROJECTS:
            result = test(*project, scratch)
            passed += result is True
            failed += result is False
            if result is None:
                skipped += 1
                print("SKIP: the source of %s cannot be had" % project[0])
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    sys.exit(failed != 0)


main()

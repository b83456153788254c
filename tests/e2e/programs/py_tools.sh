# python3 as a tool: unittest, compileall, venv, zipapp, pydoc, timeit-less modules.
# needs: python3
mkdir pkg
cat >pkg/__init__.py <<'P'
def double(n):
    return 2 * n
P
cat >test_pkg.py <<'P'
import unittest, pkg, subprocess, sys
class T(unittest.TestCase):
    def test_double(self):
        self.assertEqual(pkg.double(4), 8)
    def test_child(self):
        self.assertEqual(subprocess.call([sys.executable, "-c", "import pkg"]), 0)
    @unittest.expectedFailure
    def test_bad(self):
        self.fail()
P
python3 -m unittest -v test_pkg 2>&1 | sed 's/in [0-9.]*s/in TIME/'
python3 -m compileall pkg test_pkg.py; echo $?
find . -name '*.pyc' | sort
rm pkg/__init__.py && python3 -c 'import pkg; print(pkg.__file__)'
mv pkg/__pycache__/__init__.*.pyc pkg/__init__.pyc && python3 -c 'import pkg; print(pkg.double(21))'
python3 -m venv --without-pip env; echo "venv $?"
env/bin/python -c 'import sys; print(sys.prefix != sys.base_prefix, sys.executable[-15:])'
. env/bin/activate && python -c 'import os; print("VIRTUAL_ENV" in os.environ)'
ls env env/bin | sort
mkdir app && echo 'print("from a zip archive", __name__)' >app/__main__.py
python3 -m zipapp app -o app.pyz && python3 app.pyz
python3 -m json.tool <<<'{"b": [1, 2], "a": null}'
python3 -m tarfile -c x.tar app && python3 -m tarfile -l x.tar
python3 -m calendar 2024 2
python3 -c 'import sys; print(sorted(m for m in sys.builtin_module_names)[:5])'
python3 -c 'import pdb, curses, readline, dbm, decimal; print(decimal.Decimal(2).sqrt())'
echo 'print(1/0)' | python3 - 2>&1
python3 -X importtime -c pass 2>&1 | grep -c site
python3 -c 'import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 10); resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
import os
try:
    while True: os.dup(0)
except OSError as e: print(e)'
python3 -c 'import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try: open("big", "wb", 0).write(b"x" * 2000); open("big", "ab", 0).write(b"y")
except OSError as e: print(e)'
ls -s big >/dev/null && wc -c big
python3 -c 'import resource
resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20))
try: x = bytearray(300 << 20)
except MemoryError: print("no memory")'
python3 -c 'def f(n): return f(n + 1)
try: f(0)
except RecursionError as e: print("recursion")'
python3 -c 'import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)' 2>&1 | head -n 2; echo "${PIPESTATUS[0]}"
python3 -c 'import os; os.abort()'; echo $?

# Compilers, binutils, make with its jobserver, cmake with ninja, meson.
# needs: gcc g++ make cmake ninja meson
export MAKEFLAGS= SOURCE_DATE_EPOCH=1700000000 LC_ALL=C
cat >main.c <<'C'
#include <stdio.h>
#include <pthread.h>
int square(int);
static void *run(void *p) { *(int *)p = square(*(int *)p); return p; }
int main(void) { pthread_t t[4]; int v[4] = {1, 2, 3, 4}, s = 0;
	for (int i = 0; i < 4; i++) pthread_create(&t[i], 0, run, &v[i]);
	for (int i = 0; i < 4; i++) { pthread_join(t[i], 0); s += v[i]; }
	printf("%d\n", s); return s; }
C
echo 'int square(int n) { return n * n; }' >square.c
echo '== gcc and binutils'
for o in -O0 '-O2 -pipe' '-O2 -flto' '-g -O1' '-fPIE -pie' '-static' '-Os -save-temps=obj'; do
	gcc $o -o m main.c square.c; echo "status $?"; ./m; echo $?
done
gcc -O2 -c main.c square.c && ar rcsD lib.a square.o && ar t lib.a && nm lib.a && ranlib -D lib.a
gcc -o m main.o lib.a && ./m; ld -r -o both.o main.o square.o && size both.o
gcc -shared -fPIC -o libsquare.so square.c && gcc -o d main.c -L. -lsquare -Wl,-rpath,"\$ORIGIN" && ./d
objdump -d square.o | tail -n 4; readelf -h m | grep -E 'Type|Machine'; objcopy -O binary square.o bin && od -An -tx1 bin | head -n 1
strip m && ./m; strings -n 8 m | grep -c GLIBC; addr2line -e d 0 ; c++filt _Z3foov; ldd d | awk '{ print $1 }' | sort
LD_LIBRARY_PATH=. LD_PRELOAD=./libsquare.so ./d; LD_BIND_NOW=1 ./d; LD_DEBUG=help ./d | wc -l
gcc -E main.c | md5sum | wc -c; gcc -S -O2 -o - square.c | md5sum; echo 'int x(' | gcc -x c -c - -o /dev/null 2>/dev/null; echo $?
gcc -M main.c | grep -c pthread; gcov --version | wc -l | grep -q . && gcc --coverage -o cov main.c square.c && ./cov && ls *.gc* | wc -l
gcc -fsanitize=undefined -o u square.c main.c 2>/dev/null && ./u
cat >x.cc <<'C'
#include <iostream>
#include <map>
#include <stdexcept>
#include <thread>
#include <vector>
#include <future>
int main() { std::map<std::string, int> m{{"b", 2}, {"a", 1}}; for (auto &[k, v] : m) std::cout << k << v << "\n";
	try { throw std::runtime_error("thrown"); } catch (std::exception &e) { std::cout << e.what() << std::endl; }
	std::vector<std::future<int>> f; for (int i = 0; i < 5; i++) f.push_back(std::async(std::launch::async, [i] { return i * i; }));
	int s = 0; for (auto &x : f) s += x.get(); std::cout << s << "\n"; }
C
g++ -std=c++17 -O1 -o x x.cc -pthread && ./x; echo $?
echo 'int main() { throw 1; }' >y.cc && g++ -o y y.cc && ./y 2>/dev/null; echo $?
echo '== make'
mkdir mk && cd mk
{ printf 'OBJ = %s\nall: prog sub\n\t@./prog\nprog: $(OBJ)\n\tgcc -o $@ $(OBJ)\n%%.o: %%.c\n\tgcc -c $< -o $@\n' "$(for i in $(seq 1 12); do printf 'f%d.o ' "$i"; done)"
	printf 'sub:\n\t+$(MAKE) -s -C subdir all\n.PHONY: all sub\n'; } >Makefile
for i in $(seq 2 12); do echo "int f$i(void) { return $i; }" >f$i.c; done
{ echo '#include <stdio.h>'; for i in $(seq 2 12); do echo "int f$i(void);"; done; echo 'int main(void) { int s = 0;'; for i in $(seq 2 12); do echo "s += f$i();"; done; echo 'printf("sum %d\n", s); }'; } >f1.c
mkdir subdir && printf 'all: %s\n\t@cat out* | sort\nout%%:\n\t@sleep 0.0$*; echo $@ >$@\n' "$(for i in $(seq 1 9); do printf 'out%d ' "$i"; done)" >subdir/Makefile
make -j4 -O | sort; make -j2 | sort; touch f3.c; make -n | grep -c 'gcc -c'; make -q prog; echo $?
make -k -j3 none 2>/dev/null; echo $?; printf 'a:\n\tfalse\n' | make -f - 2>/dev/null; echo $?
printf 'a: ; @echo $(shell seq 3) $(wildcard f1*.c) $(words $(MAKEFILE_LIST))\n' | make -f -; make -j4 -l 8 -B prog | wc -l
cd ..
echo '== cmake and ninja'
mkdir cm && cd cm && cp ../main.c ../square.c . && cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.13)
project(toy C)
find_package(Threads REQUIRED)
add_library(square SHARED square.c)
add_executable(toy main.c)
target_link_libraries(toy square Threads::Threads)
enable_testing()
add_test(NAME runs COMMAND sh -c "./toy || test $? = 30")
set_tests_properties(runs PROPERTIES PASS_REGULAR_EXPRESSION 30)
C
cmake -G Ninja -B build . | grep -v -E 'seconds|\([0-9.]+s\)|written' ; ninja -C build | tail -n 1; (cd build && ctest 2>&1 | grep 'tests passed')
cmake -B mkbuild . >/dev/null && make -s -j4 -C mkbuild | sort | tail -n 1; ./mkbuild/toy; cmake --install build --prefix inst >/dev/null; echo $?
ninja -C build -t clean | tail -n 1; touch square.c; ninja -C build -j3 | tail -n 1; ninja -C build | tail -n 1
cd ..
echo '== meson'
mkdir me && cd me && cp ../main.c ../square.c . && cat >meson.build <<'M'
project('toy', 'c')
exe = executable('toy', 'main.c', 'square.c', dependencies: dependency('threads'))
test('runs', find_program('sh'), args: ['-c', './toy; test $? = 30'], workdir: meson.current_build_dir(), depends: exe)
M
meson setup build >log 2>&1; echo $?; grep -E 'Build targets|C compiler' log; meson compile -C build >/dev/null 2>&1; echo $?; meson test -C build 2>&1 | grep -E '^(Ok|Fail)'

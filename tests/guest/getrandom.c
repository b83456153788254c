/* getrandom: sizes, flags, faults; what comes out differs. */
#include <stdint.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "check.h"

int main(void)
{
	static unsigned char a[100000], b[100000];
	unsigned seen[256] = { 0 };
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK_EQ(getrandom(a, 16, 0), 16);
	CHECK_EQ(getrandom(b, 16, GRND_NONBLOCK), 16);
	CHECK(memcmp(a, b, 16) != 0);
	CHECK_EQ(getrandom(a, 0, 0), 0);
	CHECK_EQ(getrandom(a, sizeof(a), 0), sizeof(a));
	CHECK_EQ(getrandom(b, sizeof(b), 0), sizeof(b));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	for (size_t i = 0; i < sizeof(a); i++)
		seen[a[i]]++;
	for (int i = 0; i < 256; i++)
		CHECK(seen[i] > 200 && seen[i] < 600);
	CHECK_EQ(getrandom(a, 16, 4 /* GRND_INSECURE */), 16);
	CHECK_EQ(getrandom(a, 16, GRND_RANDOM), 16);
	CHECK_ERR(getrandom(a, 16, 8), EINVAL);
	CHECK_ERR(getrandom(a, 16, GRND_RANDOM | 4), EINVAL);
	CHECK_ERR(syscall(SYS_getrandom, 1, 16, 0), EFAULT);
	CHECK(page != MAP_FAILED);
	CHECK(munmap(page + 4096, 4096) == 0);
	CHECK(getrandom(page, 4096, 0) == 4096);
	return 0;
}

/* Directory streams: stable while names come and go, telldir and seekdir. */
#include <dirent.h>

#include "tmpdir.h"

#define FILES 500

static void name_of(char *buf, const char *kind, int n)
{
	sprintf(buf, "%s%d", kind, n);
}

/* Everything that is there throughout is seen exactly once. */
static void changes_while_reading(void)
{
	static int seen[FILES];
	char name[32];
	struct dirent *e;
	DIR *d;
	int i = 0;

	for (int n = 0; n < FILES; n++) {
		name_of(name, "f", n);
		CHECK(close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
	}
	d = opendir(".");
	CHECK(d);
	while ((e = readdir(d))) {
		int n;

		if (sscanf(e->d_name, "f%d", &n) == 1)
			seen[n]++;
		/* The odd ones are removed as we go, new ones made. */
		if (i < FILES && i % 2) {
			name_of(name, "f", i);
			CHECK(unlink(name) == 0);
			name_of(name, "new", i);
			CHECK(close(open(name, O_CREAT | O_WRONLY, 0600)) == 0);
		}
		i++;
	}
	for (int n = 0; n < FILES; n += 2)
		CHECK_EQ(seen[n], 1);
	for (int n = 1; n < FILES; n += 2)
		CHECK(seen[n] <= 1);
	CHECK(closedir(d) == 0);
}

static void positions_come_back(void)
{
	char after[256];
	struct dirent *e;
	DIR *d = opendir(".");
	long at;
	int count = 0, again = 0;

	CHECK(d);
	for (int i = 0; i < 10; i++)
		CHECK(readdir(d));
	at = telldir(d);
	e = readdir(d);
	CHECK(e);
	strcpy(after, e->d_name);
	while (readdir(d))
		count++;
	seekdir(d, at);
	e = readdir(d);
	CHECK(e && strcmp(e->d_name, after) == 0);
	while (readdir(d))
		again++;
	CHECK_EQ(count, again);
	rewinddir(d);
	e = readdir(d);
	CHECK(e);
	CHECK(closedir(d) == 0);
}

static void removal_while_reading(void)
{
	struct dirent *e;
	DIR *d = opendir(".");
	int left = 0;

	CHECK(d);
	while ((e = readdir(d))) {
		if (e->d_name[0] != '.')
			CHECK(unlink(e->d_name) == 0);
	}
	rewinddir(d);
	while ((e = readdir(d)))
		left += e->d_name[0] != '.';
	CHECK_EQ(left, 0);
	CHECK(closedir(d) == 0);
}

int main(void)
{
	tmpdir_enter();
	changes_while_reading();
	positions_come_back();
	removal_while_reading();
	return 0;
}

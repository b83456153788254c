/* Directory streams over 20,000 names while others come and go: no name that stays is
 * missed or shown twice, and positions of telldir() keep their place.
 *
 * nacre:
 * nacre: --tmpfs {cwd}
 * nacre: --no-overlay
 * nacre: --bind {cwd}:{cwd},cache=exclusive
 * nacre: --bind {cwd}:{cwd},cache=shared */
#include <dirent.h>
#include <stdbool.h>

#include "tmpdir.h"

#define FILES 20000
#define STEP 200 /* entries between two changes */
#define MARKS 64

static unsigned char seen[FILES];

static bool stays(int n)
{
	return n % 4 != 1;
}

/* All are names of a few files: ext4 seeks long for an inode where many have just been
 * freed, which the run before this one has done. */
static void make(const char *kind, int n)
{
	char file[32], name[32];

	sprintf(file, "file%d", n % 100);
	sprintf(name, "d/%s%d", kind, n);
	CHECK(link(file, name) == 0);
}

static void drop(const char *kind, int n)
{
	char name[32];

	sprintf(name, "d/%s%d", kind, n);
	CHECK(unlink(name) == 0 || errno == ENOENT);
}

/* Some of those that go, some new ones, and new ones that go again. */
static void change(void)
{
	static int round;
	int go = 1 + round * 80;

	for (int i = 0; i < 20 && go + 4 * i < FILES; i++)
		drop("f", go + 4 * i);
	for (int i = 0; i < 10; i++)
		make("new", round * 10 + i);
	for (int i = 0; i < 5; i++)
		drop("new", (round - 1) * 10 + i);
	round++;
}

static void note(const struct dirent *e)
{
	int n;

	if (sscanf(e->d_name, "f%d", &n) != 1)
		return;
	CHECK(n >= 0 && n < FILES);
	if (stays(n))
		CHECK_EQ(seen[n], 0);
	seen[n] = 1;
}

static void check_all_seen(void)
{
	for (int n = 0; n < FILES; n++) {
		if (stays(n))
			CHECK_EQ(seen[n], 1);
	}
	memset(seen, 0, sizeof(seen));
}

static void read_changing(DIR *d)
{
	struct dirent *e;
	long count = 0;

	while ((e = readdir(d))) {
		note(e);
		if (++count % STEP == 0)
			change();
		CHECK(count < 4 * FILES);
	}
	check_all_seen();
}

/* Leaves and comes back before every STEP-th entry, in the middle of changes: as if it
 * had not moved. */
static void read_seeking(DIR *d)
{
	long marks[MARKS] = { 0 }, count = 0;
	struct dirent *e;

	rewinddir(d);
	for (;;) {
		long at = telldir(d);

		if (count % STEP == 0) {
			marks[count / STEP % MARKS] = at;
			change();
			seekdir(d, marks[(count / STEP * 7) % MARKS]);
			for (int i = 0; i < 30; i++)
				(void)readdir(d);
			seekdir(d, at);
		}
		e = readdir(d);
		if (!e)
			break;
		note(e);
		count++;
		CHECK(count < 4 * FILES);
	}
	check_all_seen();
}

/* What stays and follows a mark is the same whenever one goes there. */
static void marks_hold(DIR *d)
{
	static int next[MARKS];
	long marks[MARKS];
	struct dirent *e;
	int n, found = 0;

	rewinddir(d);
	for (long at = telldir(d); (e = readdir(d)) && found < MARKS; at = telldir(d)) {
		if (sscanf(e->d_name, "f%d", &n) == 1 && stays(n) && n % 16 == 0) {
			marks[found] = at;
			next[found++] = n;
		}
	}
	CHECK_EQ(found, MARKS);
	change();
	for (int i = MARKS; i-- > 0;) {
		seekdir(d, marks[i]);
		e = readdir(d);
		CHECK(e && sscanf(e->d_name, "f%d", &n) == 1);
		CHECK_EQ(n, next[i]);
	}
}

/* After a rewind the stream shows what is there now. */
static void rewound(DIR *d)
{
	struct dirent *e;
	int extra = 0;

	make("last", 0);
	rewinddir(d);
	while ((e = readdir(d))) {
		int n;

		note(e);
		extra += strcmp(e->d_name, "last0") == 0;
		if (sscanf(e->d_name, "f%d", &n) == 1)
			CHECK(n % 4 != 1 || n > 80);
	}
	CHECK_EQ(extra, 1);
	check_all_seen();
}

int main(void)
{
	DIR *d;

	tmpdir_enter();
	CHECK(mkdir("d", 0700) == 0);
	for (int i = 0; i < 100; i++) {
		char file[32];

		sprintf(file, "file%d", i);
		CHECK(mknod(file, S_IFREG | 0600, 0) == 0);
	}
	for (int n = 0; n < FILES; n++)
		make("f", n);
	d = opendir("d");
	CHECK(d);
	read_changing(d);
	read_seeking(d);
	marks_hold(d);
	rewound(d);
	CHECK(closedir(d) == 0);
	return 0;
}

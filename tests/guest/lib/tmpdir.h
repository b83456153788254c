/* A directory of the test's own under /tmp (or $NACRE_TEST_DIR): the working directory until the test
 * ends, when it is removed with all that is in it. */
#pragma once

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "check.h"

static char tmpdir[96];
static pid_t tmpdir_owner;

static inline int tmpdir_remove_one(const char *path, const struct stat *st, int type,
				    struct FTW *ftw)
{
	(void)type;
	(void)ftw;
	if (S_ISDIR(st->st_mode))
		(void)chmod(path, 0700);
	return remove(path);
}

static inline void tmpdir_leave(void)
{
	if (getpid() != tmpdir_owner)
		return;
	(void)chdir("/");
	(void)nftw(tmpdir, tmpdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tmpdir_enter(void)
{
	const char *base = getenv("NACRE_TEST_DIR");

	snprintf(tmpdir, sizeof(tmpdir), "%s/nacre-test-XXXXXX", base ? base : "/tmp");
	CHECK(mkdtemp(tmpdir));
	CHECK(chdir(tmpdir) == 0);
	tmpdir_owner = getpid();
	atexit(tmpdir_leave);
}

/* A file with that text; its descriptor, O_RDWR, at the start. */
static inline int tmpdir_file(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* umask: what it takes from new modes, that it is per process, and shared by
 * threads. */
#include <pthread.h>
#include <sys/wait.h>

#include "tmpdir.h"

static mode_t mode_of(const char *name)
{
	struct stat st;

	CHECK(lstat(name, &st) == 0);
	return st.st_mode & 07777;
}

static void *set_in_thread(void *arg)
{
	(void)arg;
	umask(070);
	return NULL;
}

int main(void)
{
	pthread_t thread;
	int status;

	tmpdir_enter();
	umask(027);
	CHECK_EQ(umask(027), 027);
	close(open("file", O_CREAT | O_WRONLY, 0666));
	CHECK_EQ(mode_of("file"), 0640);
	CHECK(mkdir("dir", 0777) == 0);
	CHECK_EQ(mode_of("dir"), 0750);
	CHECK(mkfifo("fifo", 0666) == 0);
	CHECK_EQ(mode_of("fifo"), 0640);
	CHECK(symlink("x", "sym") == 0);
	CHECK_EQ(mode_of("sym"), 0777);
	/* chmod does not ask it. */
	CHECK(chmod("file", 0666) == 0);
	CHECK_EQ(mode_of("file"), 0666);
	/* Only permission bits are kept. */
	umask(07777);
	CHECK_EQ(umask(0), 0777);
	close(open("open", O_CREAT | O_WRONLY, 0777));
	CHECK_EQ(mode_of("open"), 0777);

	if (fork() == 0) {
		umask(0123);
		_exit(0);
	}
	CHECK(wait(&status) > 0 && status == 0);
	CHECK_EQ(umask(0), 0);
	CHECK(pthread_create(&thread, NULL, set_in_thread, NULL) == 0);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_EQ(umask(0), 070);
	return 0;
}

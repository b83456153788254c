/* Directories that are renamed, emptied and made again; links; names that are
 * replaced while they are open. In nacre this goes through the overlay's tables;
 * what a program sees must be the same. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "tmpdir.h"

static void write_file(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	CHECK_EQ(close(fd), 0);
}

static void expect_file(const char *name, const char *text)
{
	char buf[64];
	int fd = open(name, O_RDONLY);
	ssize_t n;

	CHECK(fd >= 0);
	n = read(fd, buf, sizeof(buf));
	CHECK_EQ(n, strlen(text));
	CHECK(memcmp(buf, text, (size_t)n) == 0);
	close(fd);
}

static int count_names(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	CHECK(d != NULL);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void directories_move_with_what_is_in_them(void)
{
	struct stat before, after;

	CHECK_EQ(mkdir("d", 0755), 0);
	CHECK_EQ(mkdir("d/sub", 0755), 0);
	write_file("d/sub/f", "deep");
	CHECK_EQ(stat("d/sub", &before), 0);
	CHECK_EQ(rename("d", "e"), 0);
	CHECK_ERR(access("d", F_OK), ENOENT);
	expect_file("e/sub/f", "deep");
	CHECK_EQ(stat("e/sub", &after), 0);
	CHECK_EQ(before.st_ino, after.st_ino);
	CHECK_EQ(before.st_dev, after.st_dev);
	CHECK_ERR(rmdir("e"), ENOTEMPTY);
	CHECK_EQ(unlink("e/sub/f"), 0);
	CHECK_EQ(rmdir("e/sub"), 0);
	CHECK_EQ(rmdir("e"), 0);
	CHECK_EQ(mkdir("e", 0755), 0);
	CHECK_EQ(count_names("e"), 0);
	CHECK_EQ(rmdir("e"), 0);
}

static void links_are_one_file(void)
{
	struct stat a, b;

	write_file("a", "one");
	CHECK_EQ(link("a", "b"), 0);
	write_file("b", "two");
	expect_file("a", "two");
	CHECK_EQ(stat("a", &a), 0);
	CHECK_EQ(stat("b", &b), 0);
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_nlink, 2);
	CHECK_EQ(unlink("a"), 0);
	CHECK_EQ(stat("b", &b), 0);
	CHECK_EQ(b.st_nlink, 1);
	CHECK_EQ(unlink("b"), 0);
}

static void a_replaced_file_stays_what_it_was(void)
{
	char buf[8] = { 0 };
	void *map;
	int fd;

	write_file("old", "old");
	fd = open("old", O_RDONLY);
	CHECK(fd >= 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(map != MAP_FAILED);
	write_file("new", "new");
	CHECK_EQ(rename("new", "old"), 0);
	expect_file("old", "new");
	CHECK_EQ(read(fd, buf, sizeof(buf)), 3);
	CHECK(memcmp(buf, "old", 3) == 0);
	CHECK(memcmp(map, "old", 3) == 0);
	CHECK_EQ(munmap(map, 4096), 0);
	close(fd);
	CHECK_EQ(unlink("old"), 0);
}

static void a_reader_sees_later_writes(void)
{
	char buf[8] = { 0 };
	int r, w;

	write_file("f", "before");
	r = open("f", O_RDONLY);
	w = open("f", O_WRONLY | O_APPEND);
	CHECK(r >= 0 && w >= 0);
	CHECK_EQ(write(w, "!", 1), 1);
	CHECK_EQ(read(r, buf, sizeof(buf)), 7);
	CHECK(memcmp(buf, "before!", 7) == 0);
	close(r);
	close(w);
	CHECK_EQ(unlink("f"), 0);
}

static void many_names_come_and_go(void)
{
	char name[32];

	CHECK_EQ(mkdir("many", 0755), 0);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		write_file(name, "");
	}
	CHECK_EQ(count_names("many"), 2000);
	for (int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		CHECK_EQ(unlink(name), 0);
	}
	CHECK_EQ(count_names("many"), 0);
	CHECK_EQ(rmdir("many"), 0);
}

int main(void)
{
	tmpdir_enter();
	directories_move_with_what_is_in_them();
	links_are_one_file();
	a_replaced_file_stays_what_it_was();
	a_reader_sees_later_writes();
	many_names_come_and_go();
	return 0;
}

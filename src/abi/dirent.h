/* getdents(2) and getdents64(2): records are padded to 8 bytes. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct abi_dirent64 {
	uint64_t ino;
	int64_t off; /* where the next one starts, for lseek */
	uint16_t reclen;
	uint8_t type; /* DT_* */
	char name[];
};
#define ABI_DIRENT64_NAME offsetof(struct abi_dirent64, name)
_Static_assert(ABI_DIRENT64_NAME == 19, "struct linux_dirent64");

/* The older form: the type is the record's last byte. */
struct abi_dirent {
	uint64_t ino, off;
	uint16_t reclen;
	char name[];
};
#define ABI_DIRENT_NAME offsetof(struct abi_dirent, name)
_Static_assert(ABI_DIRENT_NAME == 18, "struct linux_dirent");

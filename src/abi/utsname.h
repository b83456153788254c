/* uname(2). */
#pragma once

#define ABI_UTS_LEN 64

struct abi_utsname {
	char sysname[ABI_UTS_LEN + 1];
	char nodename[ABI_UTS_LEN + 1];
	char release[ABI_UTS_LEN + 1];
	char version[ABI_UTS_LEN + 1];
	char machine[ABI_UTS_LEN + 1];
	char domainname[ABI_UTS_LEN + 1];
};
_Static_assert(sizeof(struct abi_utsname) == 390, "struct new_utsname");

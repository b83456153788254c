/* ioctl(2): terminals' and the generic numbers, and what terminals pass. */
#pragma once

#include <asm/ioctls.h>
#include <stdint.h>

/* TCGETS and TCSETS: the kernel's termios, with 19 control characters. */
struct abi_termios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[19];
};
_Static_assert(sizeof(struct abi_termios) == 36, "struct termios");

struct abi_termios2 {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[19];
	uint32_t ispeed, ospeed;
};
_Static_assert(sizeof(struct abi_termios2) == 44, "struct termios2");

struct abi_winsize {
	uint16_t row, col, xpixel, ypixel;
};

/* Control characters: indices into cc. */
enum {
	ABI_VINTR,
	ABI_VQUIT,
	ABI_VERASE,
	ABI_VKILL,
	ABI_VEOF,
	ABI_VTIME,
	ABI_VMIN,
	ABI_VSWTC,
	ABI_VSTART,
	ABI_VSTOP,
	ABI_VSUSP,
	ABI_VEOL,
	ABI_VREPRINT,
	ABI_VDISCARD,
	ABI_VWERASE,
	ABI_VLNEXT,
	ABI_VEOL2,
};

/* Files of every kind. */
#define ABI_FIGETBSZ 0x0002u
#define ABI_FIBMAP 0x0001u
#define ABI_FICLONE 0x40049409u
#define ABI_FICLONERANGE 0x4020940du
#define ABI_FIDEDUPERANGE 0xc0189436u
#define ABI_FS_IOC_FIEMAP 0xc020660bu
#define ABI_FS_IOC_GETFLAGS 0x80086601u
#define ABI_FS_IOC_SETFLAGS 0x40086602u
#define ABI_FS_IOC_GETVERSION 0x80087601u
#define ABI_FS_IOC_FSGETXATTR 0x801c581fu

/* Block devices. */
#define ABI_BLKROGET 0x125eu
#define ABI_BLKGETSIZE 0x1260u
#define ABI_BLKFLSBUF 0x1261u
#define ABI_BLKSSZGET 0x1268u
#define ABI_BLKBSZGET 0x80081270u
#define ABI_BLKGETSIZE64 0x80081272u
#define ABI_BLKDISCARD 0x1277u
#define ABI_BLKIOMIN 0x1278u
#define ABI_BLKIOOPT 0x1279u
#define ABI_BLKPBSZGET 0x127bu
#define ABI_BLKDISCARDZEROES 0x127cu
#define ABI_BLKZEROOUT 0x127fu

/* termios(3): the kernel's mode bits (asm-generic/termbits.h), which clash with
 * the C library's <termios.h>. The structures are in abi/ioctl.h. */
#pragma once

/* c_iflag */
#define ABI_IGNBRK 0000001u
#define ABI_BRKINT 0000002u
#define ABI_IGNPAR 0000004u
#define ABI_PARMRK 0000010u
#define ABI_INPCK 0000020u
#define ABI_ISTRIP 0000040u
#define ABI_INLCR 0000100u
#define ABI_IGNCR 0000200u
#define ABI_ICRNL 0000400u
#define ABI_IUCLC 0001000u
#define ABI_IXON 0002000u
#define ABI_IXANY 0004000u
#define ABI_IXOFF 0010000u
#define ABI_IMAXBEL 0020000u
#define ABI_IUTF8 0040000u

/* c_oflag */
#define ABI_OPOST 0000001u
#define ABI_OLCUC 0000002u
#define ABI_ONLCR 0000004u
#define ABI_OCRNL 0000010u
#define ABI_ONOCR 0000020u
#define ABI_ONLRET 0000040u
#define ABI_TABDLY 0014000u
#define ABI_XTABS 0014000u

/* c_cflag */
#define ABI_CBAUD 0010017u
#define ABI_CBAUDEX 0010000u
#define ABI_BOTHER 0010000u
#define ABI_B38400 0000017u
#define ABI_CSIZE 0000060u
#define ABI_CS8 0000060u
#define ABI_CREAD 0000200u
#define ABI_PARENB 0000400u
#define ABI_IBSHIFT 16

/* c_lflag */
#define ABI_ISIG 0000001u
#define ABI_ICANON 0000002u
#define ABI_ECHO 0000010u
#define ABI_ECHOE 0000020u
#define ABI_ECHOK 0000040u
#define ABI_ECHONL 0000100u
#define ABI_NOFLSH 0000200u
#define ABI_TOSTOP 0000400u
#define ABI_ECHOCTL 0001000u
#define ABI_ECHOPRT 0002000u
#define ABI_ECHOKE 0004000u
#define ABI_IEXTEN 0100000u
#define ABI_EXTPROC 0200000u

/* Arguments of TCXONC and TCFLSH */
#define ABI_TCOOFF 0
#define ABI_TCOON 1
#define ABI_TCIOFF 2
#define ABI_TCION 3
#define ABI_TCIFLUSH 0
#define ABI_TCOFLUSH 1
#define ABI_TCIOFLUSH 2

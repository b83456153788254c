/* The one interface of the sandbox, as every part of net/ that shows it does. */
#pragma once

#define LOOPBACK_INDEX 1
#define LOOPBACK_MTU 65536
#define LOOPBACK_TXQLEN 1000

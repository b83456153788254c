#!/bin/bash
# slow: yes
# alone: yes
# timeout: 900
# liburing 2.3's own tests, natively and in nacre.
exec "$SOURCE/tools/check-liburing" --build "$BUILD"

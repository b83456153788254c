#!/bin/bash
# docs/io_uring.md says of every operation what IORING_REGISTER_PROBE says; and the
# switches that take io_uring, or operations of it, away.
set -u
. "$(dirname "$0")/checklib.bash"
probe=${BUILD:-build}/tests/guest/uring_probe
doc=${SOURCE:-.}/docs/io_uring.md

# Rows of the table: | number | name | since | yes or errno | test |
documented=$(sed -n 's/^| \([0-9][0-9]*\) | [a-z_0-9]* | [0-9.]* | \([a-zA-Z]*\) .*/\1 \2/p' "$doc" |
	sed 's/ yes$/ 1/; s/ E[A-Z]*$/ 0/')
check "the table of operations" "$documented" "$(timeout 300 "$nacre" do -- "$probe")"
check "a table" 63 "$(echo "$documented" | wc -l)"
check "--no-io-uring" "SKIP: no io_uring here" "$(timeout 300 "$nacre" do --no-io-uring -- "$probe")"
check "--no-io-uring-op" "$(echo "$documented" | sed 's/^26 1$/26 0/; s/^16 1$/16 0/')" \
	"$(timeout 300 "$nacre" do --no-io-uring-op send,connect -- "$probe")"
timeout 300 "$nacre" do --no-io-uring-op nonsense -- true 2>/dev/null
check "an unknown operation" 125 $?
end_of_checks

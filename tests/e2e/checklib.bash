# For the tests here that are shell scripts: source it first. Counts checks, shows those
# that fail, and ends as tests/run wants it.
nacre=$(realpath "${NACRE:-build/nacre}")
passed=0 failed=0

check() { # WHAT EXPECTED GOT
	if [ "$2" = "$3" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAIL %s:\n' "$1"
		diff <(echo "$2") <(echo "$3") | head -20
	fi
}

end_of_checks() {
	echo "$passed passed, $failed failed, 0 skipped"
	[ "$failed" = 0 ]
}

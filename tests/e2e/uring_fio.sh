#!/bin/bash
# fio on io_uring: every way it has to use a ring, on every kind of file system, with a
# checksum in each block. As many reads and writes as natively, without an error; and what
# was written through to the host holds there.
# slow: yes
set -u
. "$(dirname "$0")/checklib.bash"
type fio jq >/dev/null 2>&1 || { echo "SKIP: no fio or no jq"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir native host cached overlay

job="fio --name=j --ioengine=io_uring --size=4m --bs=4k --rw=randrw --iodepth=16
	--verify=crc32c --verify_fatal=1 --verify_state_save=0 --output-format=json"
ways=("" "--fixedbufs" "--registerfiles" "--nonvectored=0" "--sqthread_poll"
	"--fixedbufs --registerfiles --sqthread_poll" "--force_async=2"
	"--rw=randwrite --iodepth=64 --iodepth_batch_submit=16 --iodepth_batch_complete_min=8"
	"--rw=write --bsrange=512-64k --bs_unaligned --fixedbufs"
	"--numjobs=3 --thread --nrfiles=3 --fixedbufs --registerfiles"
	"--numjobs=3 --fdatasync=16")

# How a run in DIR went: errors, reads and writes of each job. Not syncs: their number
# varies natively too, and with it what goes to which of several files.
counts() { # DIR COMMAND...
	local in=$1
	shift
	rm -f "$in"/*
	timeout 300 "$@" --directory="$in" >out.json 2>err || { echo "status $?"; cat err; return; }
	jq -c '.jobs[] | [.error, .read.total_ios, .write.total_ios]' out.json
}

for way in "${ways[@]}"; do
	natively=$(counts native $job $way)
	case $natively in
	status*) check "natively: $way" "status 0" "$natively"; continue ;;
	esac
	check "host $way" "$natively" \
		"$(counts host "$nacre" do --bind "$dir/host:$dir/host" -- $job $way)"
	timeout 300 $job $way --directory=host --verify_only >out.json 2>err
	check "host $way: what is there" 0 $?
	check "forcecache $way" "$natively" \
		"$(counts cached "$nacre" do --bind "$dir/cached:$dir/cached,forcecache" -- $job $way)"
	check "overlay $way" "$natively" "$(counts overlay "$nacre" do -- $job $way)"
	check "overlay $way: nothing on the host" "" "$(ls overlay)"
	check "tmpfs $way" "$natively" "$(counts /nonexistent "$nacre" do --tmpfs /nonexistent -- $job $way)"
done
end_of_checks

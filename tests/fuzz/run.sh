#!/bin/sh
# make fuzz: each target under libFuzzer for FUZZ_SECONDS, two at a time, from
# tests/fuzz/corpus and what earlier runs found (build/fuzz/corpus).
#   sh tests/fuzz/run.sh SECONDS target …
# What is worth keeping goes into the tree by
#   build/fuzz/fuzz/T -set_cover_merge=1 -use_counters=0 -max_len=1000 \
#     tests/fuzz/corpus/T build/fuzz/corpus/T
# and what is left in build/fuzz/found as a unit test, too.
set -eu
seconds=$1
shift
mkdir -p build/fuzz/found

one() {
	mkdir -p "build/fuzz/corpus/$1"
	log=build/fuzz/$1.log
	if "build/fuzz/fuzz/$1" -max_total_time="$seconds" -timeout=20 \
		-max_len=4096 -dict="tests/fuzz/$1.dict" -print_final_stats=1 \
		-artifact_prefix="build/fuzz/found/$1-" \
		"build/fuzz/corpus/$1" "tests/fuzz/corpus/$1" >"$log" 2>&1; then
		runs=$(sed -n 's/^Done //p' "$log")
		echo "ok   $1: $runs, $(grep -ao 'cov: [0-9]*' "$log" | tail -n 1)"
	else
		echo "FAIL $1: see $log"
		grep -aE -m 3 'must:|ERROR|SUMMARY|Test unit' "$log" || true
		return 1
	fi
}

if [ "${FUZZ_ONE:-}" ]; then
	one "$1"
else
	printf '%s\n' "$@" | FUZZ_ONE=1 xargs -P 2 -I{} sh "$0" "$seconds" {}
fi

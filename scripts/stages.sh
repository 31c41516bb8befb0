# To be sourced: runs stages of tests, one after the other, and adds up what their runners counted.
# A stage that fails does not keep the next from running. The file RS_TALLY, if set, collects the counts for a caller.
stages_log=$(mktemp -d)
stages_tally=$stages_log/tally
trap 'rm -rf "$stages_log"' EXIT

# stage NAME COMMAND...: one test by itself, unless ctest, ava or a script below counted.
stage() {
	local name=$1 log=$stages_log/out status start=$SECONDS
	shift
	printf '\n== %s\n' "$name"
	set +e
	"$@" 2>&1 </dev/null | tee "$log"
	status=${PIPESTATUS[0]}
	set -e
	stage_count "$name" "$status" "$log"
	printf '== %s: %s in %d s\n' "$name" "$([ "$status" -eq 0 ] && echo ok || echo "FAILED ($status)")" $((SECONDS - start))
	return 0
}

# Adds a line "NAME passed failed skipped" to the tally.
stage_count() {
	awk -v name="${1// /-}" -v status="$2" '
		{ gsub(/\033\[[0-9;]*m/, "") }
		# ctest: "99% tests passed, 1 tests failed out of 80"
		/tests passed, [0-9]+ tests? failed out of [0-9]+/ { match($0, /[0-9]+ tests? failed/); bad = $4 + 0; failed += bad; passed += $NF - bad }
		# It counts what did not run among the passed: "	12 - name (Skipped)"
		/^\t *[0-9]+ - .* \(Skipped\)$/ { skipped++ }
		# ava: "3 tests failed", "72 tests passed"; scripts: "72 passed, 0 failed"
		/^ *[0-9]+ tests? (passed|failed)$/ { if ($3 == "passed") passed += $1; else failed += $1 }
		/^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3 }
		END {
			passed -= skipped
			if (status != 0 && failed == 0) failed = 1
			if (status == 0 && passed + failed == 0) passed = 1
			printf "%s %d %d %d\n", name, passed, failed, skipped
		}' "$3" >>"$stages_tally"
}

# Prints the sums; fails if anything did.
stages_finish() {
	[ -z "${RS_TALLY:-}" ] || cat "$stages_tally" >>"$RS_TALLY"
	awk '
		$3 > 0 { print "failed in: " $1 }
		{ passed += $2; failed += $3; skipped += $4 }
		END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }' "$stages_tally"
}

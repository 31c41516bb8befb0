# To be sourced: runs stages of tests, one after the other, and adds up what their runners counted.
# A stage that fails does not keep the next from running. The files RS_TALLY and RS_NOTES, if set, collect the counts, and what failed, for a
# caller.
stages_log=$(mktemp -d)
stages_tally=$stages_log/tally
stages_notes=$stages_log/notes
: >"$stages_notes"
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

# Adds a line "NAME passed failed skipped" to the tally, and to the notes what failed, at all or in its first attempt only.
stage_count() {
	awk -v name="${1// /-}" -v status="$2" '
		{ gsub(/\033\[[0-9;]*m/, "") }
		# ctest: "99% tests passed, 1 tests failed out of 80"
		/tests passed, [0-9]+ tests? failed out of [0-9]+/ { match($0, /[0-9]+ tests? failed/); bad = $4 + 0; failed += bad; passed += $NF - bad }
		# It counts what did not run among the passed: "	12 - name (Skipped)"
		/^\t *[0-9]+ - .* \(Skipped\)$/ { skipped++ }
		# ava, which gives the sum of those that passed only where all did: "  ✔ FILE › TITLE", "  3 tests failed"
		/^ *✔ / { passed++ }
		/^ *[0-9]+ tests? failed$/ { failed += $1 }
		# Scripts: "72 passed, 0 failed"
		/^[0-9]+ passed, [0-9]+ failed/ { passed += $1; failed += $3 }
		END {
			passed -= skipped
			if (status != 0 && failed == 0) failed = 1
			if (status == 0 && passed + failed == 0) passed = 1
			printf "%s %d %d %d\n", name, passed, failed, skipped
		}' "$3" >>"$stages_tally"
	# ctest: "12/80 Test  #5: NAME ....***Failed", also ***Timeout and ***Exception; ava: "  ✘ [fail]: FILE › TITLE ERROR"
	sed 's/\x1b\[[0-9;]*m//g' "$3" | awk -v name="$1" -v status="$2" '
		/\*\*\*Skipped/ { next }
		/Test +#[0-9]+: .*\*\*\*[A-Z]/ { sub(/^.*Test +#[0-9]+: /, ""); sub(/ \.*\*\*\*.*/, ""); times[$0]++; next }
		/✘ \[fail\]|✘ .*(timed out|exited)|needed a second attempt|uncaught exception|unhandled rejection/ { sub(/^ */, ""); times[$0]++ }
		END { for (line in times) printf "%s: %s%s\n", name, line, (line ~ /attempt/ || times[line] > 1 || status != 0) ? "" : ": passed at its second attempt" }' >>"$stages_notes"
}

# Prints the sums, what failed, and what needed a second attempt; fails if anything failed.
stages_finish() {
	[ -z "${RS_TALLY:-}" ] || cat "$stages_tally" >>"$RS_TALLY"
	[ -z "${RS_NOTES:-}" ] || cat "$stages_notes" >>"$RS_NOTES"
	echo
	sort "$stages_notes"
	awk '
		$3 > 0 { print "failed in: " $1 }
		{ passed += $2; failed += $3; skipped += $4 }
		END { printf "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped; exit failed > 0 }' "$stages_tally"
}

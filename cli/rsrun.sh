#!/bin/sh
# Starts rsrun.js and tells it what Node is about to change and a target must find unchanged:
# ignored and blocked signals, the soft limit of open files, which descriptors were inherited.
# The names are long because assigning to a name that the caller exported would change the target's environment.
if [ -r /proc/$$/status ]; then
	rsrun_ignored=0 rsrun_blocked=0 rsrun_fds=
	while read -r rsrun_key rsrun_value; do
		case $rsrun_key in
		SigIgn:) rsrun_ignored=$rsrun_value ;;
		SigBlk:) rsrun_blocked=$rsrun_value ;;
		esac
	done </proc/$$/status
	for rsrun_path in /proc/$$/fd/*; do
		rsrun_fd=${rsrun_path##*/}
		case $rsrun_fd in
		# The redirection below would look at itself. Still there? The listing may have seen its own descriptor.
		[012]) [ -e "$rsrun_path" ] && rsrun_flags=0 || continue ;;
		*) { read -r rsrun_key && read -r rsrun_key rsrun_flags; } </proc/$$/fdinfo/"$rsrun_fd" || continue ;;
		esac 2>/dev/null
		# Close-on-exec ones are the shell's own.
		[ $((rsrun_flags & 02000000)) -ne 0 ] || rsrun_fds=$rsrun_fds,$rsrun_fd
	done
	RSRUN_INHERITED="$rsrun_ignored $rsrun_blocked $(ulimit -Sn) ${rsrun_fds#,}"
	export RSRUN_INHERITED
fi
rsrun_self=$(readlink -f -- "$0")
exec node "${rsrun_self%/*}/../dist/cli/rsrun.js" "$@"

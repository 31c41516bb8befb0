/** The scripts that make a shell ask a tool what may follow. */
/* eslint-disable no-template-curly-in-string -- the braces are the shell's */

/** The first argument of a script's question; the words of the line so far follow, the unfinished one last. */
export const completionRequest = '--get-completions';

export const shells = ['bash', 'zsh'] as const;

type Shell = typeof shells[number];

/** `request`: the first argument of the question; the words up to the cursor follow. */
export function completionScript(tool: string, shell: Shell, request: string): string {
	return scripts[shell].map(line => `${line.replaceAll('@tool@', tool).replaceAll('@ask@', tool === 'rsrun' ? '--completion' : 'completion').replaceAll('@request@', request)}\n`).join('');
}

const scripts: Record<Shell, string[]> = {
	// Words break at colons and equal signs too, for readline; what was typed before the last break is cut off again.
	bash: [
		'# bash completion of @tool@. In ~/.bashrc: source <(@tool@ @ask@ bash)',
		'_@tool@_completions() {',
		'	local line=${COMP_LINE:0:COMP_POINT} current words reply',
		'	read -ra words <<<"$line"',
		'	[[ $line == *" " ]] && words+=("")',
		'	current=${words[-1]}',
		'	mapfile -t reply < <(@tool@ @request@ "${words[@]:1}" 2>/dev/null | cut -f 1)',
		'	[[ $current == *[:=]* ]] && reply=("${reply[@]#"${current%"${current##*[:=]}"}"}")',
		'	COMPREPLY=("${reply[@]}")',
		'}',
		'complete -o bashdefault -o default -F _@tool@_completions @tool@',
	],
	zsh: [
		'#compdef @tool@',
		'# zsh completion of @tool@. In ~/.zshrc, after compinit: source <(@tool@ @ask@ zsh)',
		'_@tool@() {',
		'	local -a shown',
		'	local word text',
		String.raw`	while IFS=$'\t' read -r word text; do`,
		'		shown+=("${word//:/\\\\:}:$text")',
		'	done < <(@tool@ @request@ "${(@)words[2,CURRENT]}" 2>/dev/null)',
		'	if (( $#shown )); then',
		'		_describe @tool@ shown',
		'	else',
		'		_default',
		'	fi',
		'}',
		'if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then',
		'	_@tool@ "$@"',
		'else',
		'	compdef _@tool@ @tool@',
		'fi',
	],
};

/** The linter's settings: where its defaults do not fit a program that handles bytes. */
const config = [
	{ignores: ['build', 'dist', 'coverage']},
	{
		rules: {
			// Flag words of system calls and ELF files.
			'no-bitwise': 'off',
			// Raw strings are branded, and the addon is typed, by assertion.
			'@typescript-eslint/no-unsafe-type-assertion': 'off',
			// Paths and arguments are bytes: node:fs takes Buffers.
			'@typescript-eslint/no-restricted-types': 'off',
			'capitalized-comments': 'off',
			'require-unicode-regexp': 'off',
		},
	},
];

export default config;

/** The linter's settings: where its defaults do not fit a program that handles bytes, or fight each other. */
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
			// Environment variables are written as they are called.
			'@typescript-eslint/naming-convention': 'off',
			'capitalized-comments': 'off',
			'require-unicode-regexp': 'off',
			'n/prefer-global/url': 'off',
			'n/prefer-global/buffer': 'off',
			// Rows of tables stay rows. (The fixes of these rules also garble files in which they meet.)
			'@stylistic/array-element-newline': 'off',
			'@stylistic/function-paren-newline': 'off',
			'@stylistic/max-len': 'off',
			'@stylistic/object-curly-newline': 'off',
			'@stylistic/object-property-newline': 'off',
		},
	},
	{
		files: ['test/**', 'scripts/**'],
		rules: {
			// One program after the other is the point.
			'no-await-in-loop': 'off',
			'ava/no-conditional-assertion': 'off',
			'ava/no-ignored-test-files': 'off',
			'ava/no-nested-assertions': 'off',
			'unicorn/no-await-expression-member': 'off',
		},
	},
];

export default config;

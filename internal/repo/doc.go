// Package repo holds no code: its tests hold the repository to its own rules,
// such as which package may import which, and which names must exist.
package repo

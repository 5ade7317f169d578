// Package repo contains only tests of the repository's own rules, such as which
// package may import which, and which names must exist.
package repo

// Package moved contains only tests: servers in the style of programs for
// github.com/gobwas/ws, with the same calls. They show that such programs need
// to change only the import path.
package moved

// Package moved has no code but its tests: servers in the shapes in which programs for
// github.com/gobwas/ws are written, with the calls that those make. They show that such
// programs move over by an import path.
package moved

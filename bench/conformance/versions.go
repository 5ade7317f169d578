package main

import (
	"errors"
	"fmt"
	"os/exec"
	"runtime/debug"
	"strings"
)

func thisTree() (string, error) { return "this tree", nil }

// moduleVersion returns a function that returns the version of a Go module in
// this program.
func moduleVersion(path string) func() (string, error) {
	return func() (string, error) {
		info, ok := debug.ReadBuildInfo()
		if !ok {
			return "", errors.New("the binary has no module information")
		}
		for _, m := range info.Deps {
			if m.Path == path {
				return m.Version, nil
			}
		}
		return "", fmt.Errorf("the program is built without %s", path)
	}
}

// printedVersion returns a function that returns what a command prints.
func printedVersion(path string, args ...string) func() (string, error) {
	return func() (string, error) {
		out, err := exec.Command(path, args...).Output()
		if err != nil {
			return "", fmt.Errorf("%s is missing or lacks its library, see examples/interop/install: %w", path, err)
		}
		return strings.TrimSpace(string(out)), nil
	}
}

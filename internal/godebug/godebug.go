// Package godebug sets GODEBUG=http2xconnect=1 before net/http is initialized.
//
// net/http reads that setting once, in its init. Packages are initialized in
// the order of their import paths as far as their imports allow (Go
// specification, "Program initialization"), so this package, which imports only
// os, is initialized first. A test guards that. The package does not change a
// setting of the user.
package godebug

import (
	"os"
	"strings"
)

func init() {
	if now := os.Getenv("GODEBUG"); !strings.Contains(now, setting) {
		os.Setenv("GODEBUG", strings.TrimPrefix(now+","+setting+"=1", ","))
	}
}

const setting = "http2xconnect"

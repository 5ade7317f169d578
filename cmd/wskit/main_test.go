package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"wskit": main, "echoclient": echoClient})
}

// TestScripts runs the scripts of testdata. A script has the servers of server_test.go
// at $ECHO and so on, each with a host and port of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			for name, url := range startServers(env.Defer) {
				env.Setenv(name, url)
			}
			env.Values[servedKey{}] = make(map[string]*served)
			env.Setenv("FREE", closedPort())
			env.Setenv("CA", filepath.Join(env.WorkDir, "server.pem"))
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			certificate, key := serverCertificate()
			return errors.Join(
				os.WriteFile(env.Getenv("CA"), certificate, 0o666),
				os.WriteFile(filepath.Join(env.WorkDir, "key.pem"), key, 0o600),
				os.WriteFile(filepath.Join(env.WorkDir, "both.pem"), append(key, certificate...), 0o600))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status":    status,
			"serve":     serveCommand,
			"listener":  listener,
			"halfclose": halfClose,
			"interrupt": interrupt,
			"get":       get,
			"waitfor":   waitFor,
			"deaf":      deaf,
			"flood":     flood,

			"connectclient": connectClient,
			"endless":       endless,
		},
	})
}

package reconnect

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(serverMode); mode != "" { // the process is a server of TestProcessKilled
		serveProcess(mode, os.Getenv(serverAddress))
		return
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("runtime.handleEvent")) // of js itself
}

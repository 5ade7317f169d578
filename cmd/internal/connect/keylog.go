package connect

import (
	"io"
	"os"
	"sync"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// KeyLog returns where to write the secrets of TLS connections, so that a program such
// as Wireshark can decrypt what it captures: the file that SSLKEYLOGFILE names, which is
// created for its owner only, or nil. It is open as long as the program runs.
var KeyLog = sync.OnceValues(func() (io.Writer, error) {
	name := os.Getenv("SSLKEYLOGFILE")
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, exit.Usagef("SSLKEYLOGFILE: %v", err)
	}
	return f, nil
})

package connect

import (
	"io"
	"os"
	"sync"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// KeyLog returns the file for TLS secrets, or nil. A program such as Wireshark
// needs the secrets to decrypt captured traffic. SSLKEYLOGFILE names the file.
// Only its owner can read it. It stays open until the program exits.
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

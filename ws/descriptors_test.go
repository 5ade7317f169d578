package ws

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// descriptors returns how many files and sockets this process holds open.
func descriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("this system does not list a process's descriptors: ", err)
	}
	return len(entries)
}

// A thousand handshakes that fail, on either side, leave no descriptor behind.
func TestFailedHandshakesLeaveNoDescriptor(t *testing.T) {
	descriptors(t)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := HTTPUpgrader{Header: http.Header{"X-A": {"\n"}}} // also refuses valid requests
		if conn, _, _, err := u.Upgrade(r, w); err == nil {
			conn.Close()
		}
	}))
	hangingUp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := hangingUp.Accept()
			if err != nil {
				return
			}
			io.ReadFull(conn, make([]byte, 10))
			conn.Close()
		}
	}()

	before := descriptors(t)
	for range 500 {
		for _, url := range []string{refusing.URL, "ws://" + hangingUp.Addr().String()} {
			_, _, _, err := Dial(context.Background(), url)
			require.Error(t, err)
		}
	}
	refusing.CloseClientConnections()
	refusing.Close()
	hangingUp.Close()
	<-done
	require.LessOrEqual(t, descriptors(t), before)
}

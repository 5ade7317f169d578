package xconnect

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if os.Getenv("XCONNECT_CHECK") != "" {
		if err := Check(new(http.Server)); err != nil {
			os.Stdout.WriteString(err.Error())
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// The import comes before net/http is initialized, whatever the environment.
func TestImportEnables(t *testing.T) {
	require.NoError(t, Check(new(http.Server)))
	for setting, off := range map[string]bool{"": false, "x509sha1=1": false, "http2xconnect=1": false, "http2xconnect=0": true} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "XCONNECT_CHECK=1", "GODEBUG="+setting)
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Equal(t, off, strings.Contains(string(out), "does not support extended CONNECT"), "%q: %s", setting, out)
		require.Equal(t, off, len(out) > 0, "%q: %s", setting, out)
	}
}

func TestCheckFindsWhatIsOff(t *testing.T) {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	for name, c := range map[string]struct {
		srv  *http.Server
		text string
	}{
		"nil":          {nil, "nil"},
		"Protocols":    {&http.Server{Protocols: &http1}, "do not include HTTP/2"},
		"TLSNextProto": {&http.Server{TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}}, "TLSNextProto"},
	} {
		require.ErrorContains(t, Check(c.srv), c.text, name)
	}
}

func TestConfigure(t *testing.T) {
	srv := new(http.Server)
	Configure(srv)
	require.NoError(t, Check(srv))
	c := srv.HTTP2
	require.GreaterOrEqual(t, c.MaxReceiveBufferPerConnection, c.MaxConcurrentStreams*c.MaxReceiveBufferPerStream)
	require.Less(t, c.MaxReceiveBufferPerConnection, 4<<20, "the most that net/http takes")

	own := http.HTTP2Config{MaxReceiveBufferPerStream: 1 << 20}
	srv = &http.Server{HTTP2: &own}
	Configure(srv)
	require.Equal(t, 1<<20, srv.HTTP2.MaxReceiveBufferPerStream)
	require.Zero(t, srv.HTTP2.MaxConcurrentStreams)
}

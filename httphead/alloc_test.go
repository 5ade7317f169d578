package httphead

import (
	"bufio"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

func TestNothingIsAllocatedInSteadyState(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	var (
		req      Request
		resp     Response
		src      = strings.NewReader("")
		fits     = bufio.NewReaderSize(src, 4096)
		larger   = bufio.NewReaderSize(src, 64)
		request  = []byte(chromeRequest)
		response = []byte(switching)
		offer    = []Option{NewOption("permessage-deflate", map[string]string{"client_max_window_bits": "", "x": "a b"})}
		buf      = make([]byte, 0, 512)
		err      error
		found    int
	)
	_, err = req.Parse(request)
	require.NoError(t, err)
	f := req.Fields
	for _, c := range []struct {
		what string
		work func()
	}{
		{"Request.Parse", func() { _, err = req.Parse(request) }},
		{"Response.Parse", func() { _, err = resp.Parse(response) }},
		{"a fault", func() {
			if _, fault := resp.Parse(request); fault != ErrStatusLine {
				err = fault
			}
		}},
		{"Read", func() {
			src.Reset(chromeRequest)
			err = req.Read(fits)
		}},
		{"Read with a small buffer", func() {
			src.Reset(chromeRequest)
			err = req.Read(larger)
		}},
		{"Value, Values and Count", func() {
			_, _ = f.Value("origin")
			for range f.Values("Cookie") {
				found++
			}
			found += f.Count("Host")
		}},
		{"Tokens", func() {
			for _, fault := range f.Tokens("Sec-WebSocket-Protocol") {
				if fault != nil {
					err = fault
				}
				found++
			}
		}},
		{"HasToken", func() { _ = f.HasToken("Connection", "upgrade") }},
		{"Options", func() {
			for o, fault := range f.Options("Sec-WebSocket-Extensions") {
				if fault != nil {
					err = fault
				}
				if _, ok := o.Parameters.Get("client_max_window_bits"); ok {
					found++
				}
			}
		}},
		{"Cookies", func() {
			for name, value := range f.Cookies() {
				found += len(name) + len(value)
			}
		}},
		{"Append", func() {
			for _, step := range []func() ([]byte, error){
				func() ([]byte, error) { return AppendRequestLine(buf, "GET", "/") },
				func() ([]byte, error) { return AppendStatusLine(buf, 101, "Switching Protocols") },
				func() ([]byte, error) { return AppendField(buf, "Host", "h") },
				func() ([]byte, error) { return AppendField(buf, f[0].Name, f[0].Value) },
				func() ([]byte, error) { return AppendOptions(buf, offer) },
			} {
				if _, fault := step(); fault != nil {
					err = fault
				}
			}
		}},
	} {
		require.Zero(t, testing.AllocsPerRun(100, c.work), c.what)
		require.NoError(t, err, c.what)
	}
	require.NotZero(t, found)
}

// A Request that is made anew costs its fields and nothing more: it stays on the
// stack, and so does one that is read.
func TestNewRequestsAreCheap(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	request := []byte(chromeRequest)
	src := strings.NewReader("")
	br := bufio.NewReaderSize(src, 4096)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		var r Request
		_, _ = r.Parse(request)
	}), 1.0)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		src.Reset(chromeRequest)
		var r Request
		_ = r.Read(br)
	}), 1.0)
}

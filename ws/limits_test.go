package ws

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

// waysToUpgrade are all ways to perform a server handshake.
var waysToUpgrade = map[string]func(h HTTPUpgrader, u Upgrader, fields http.Header) (status int, err error){
	"raw": func(_ HTTPUpgrader, u Upgrader, fields http.Header) (int, error) {
		u.HeadLimits = httphead.Limits{MaxBytes: -1, MaxFields: -1}
		conn := scripted(headOfFields(fields))
		_, err := u.Upgrade(conn)
		return statusOf(conn.String()), err
	},
	"bytes": func(_ HTTPUpgrader, u Upgrader, fields http.Header) (int, error) {
		u.HeadLimits = httphead.Limits{MaxBytes: -1, MaxFields: -1}
		in := headOfFields(fields)
		answer, _, _, err := overBytes(&u, in, len(in))
		return statusOf(string(answer)), err
	},
	"net/http": func(h HTTPUpgrader, _ Upgrader, fields http.Header) (int, error) {
		conn := &deadlineConn{}
		w := &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: conn}
		r := &http.Request{Method: "GET", ProtoMajor: 1, ProtoMinor: 1, Host: "a.example", Header: fields}
		_, _, _, err := h.Upgrade(r, w)
		if err != nil {
			return w.Code, err
		}
		return statusOf(conn.String()), nil
	},
}

func statusOf(answer string) int {
	if strings.HasPrefix(answer, "HTTP/1.1 101 ") {
		return 101
	}
	if strings.HasPrefix(answer, "HTTP/1.1 431 ") {
		return 431
	}
	return 0
}

// offering returns the fields of a valid handshake, and one more.
func offering(name, value string) http.Header {
	h := http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"}}
	h.Add(name, value)
	return h
}

func headOfFields(fields http.Header) string {
	var b strings.Builder
	b.WriteString("GET / HTTP/1.1\r\nHost: a.example\r\n")
	fields.Write(&b)
	return b.String() + "\r\n"
}

func many(unit string, n int) string { return strings.TrimSuffix(strings.Repeat(unit, n), ",") }

func TestHandshakeLimits(t *testing.T) {
	const protocol, extensions = "Sec-Websocket-Protocol", "Sec-Websocket-Extensions"
	for _, c := range []struct {
		name        string
		field, list string
		lim         HandshakeLimits
		status      int
		says        string
	}{
		{"32 subprotocols", protocol, many("a,", 32), HandshakeLimits{}, 101, ""},
		{"33 subprotocols", protocol, many("a,", 33), HandshakeLimits{}, 431, "MaxProtocols"},
		{"33 subprotocols allowed", protocol, many("a,", 33), HandshakeLimits{MaxProtocols: 33}, 101, ""},
		{"any number of subprotocols", protocol, many("a,", 1000), HandshakeLimits{MaxProtocols: -1}, 101, ""},
		{"32 extensions", extensions, many("a,", 32), HandshakeLimits{}, 101, ""},
		{"33 extensions", extensions, many("a,", 33), HandshakeLimits{}, 431, "MaxExtensions"},
		{"two extensions where one is allowed", extensions, "a, b", HandshakeLimits{MaxExtensions: 1}, 431, "MaxExtensions"},
		{"32 parameters", extensions, "a" + many(";b", 32), HandshakeLimits{}, 101, ""},
		{"33 parameters", extensions, "a" + many(";b", 33), HandshakeLimits{}, 431, "MaxParameters"},
		{"any number of parameters", extensions, "a" + many(";b", 1000), HandshakeLimits{MaxParameters: -1}, 101, ""},
		{"17 KiB of a list", protocol, strings.Repeat("a", 17<<10), HandshakeLimits{}, 431, "MaxBytes"},
		{"17 KiB allowed", protocol, strings.Repeat("a", 17<<10), HandshakeLimits{MaxBytes: 20 << 10}, 101, ""},
		{"17 KiB of Connection", "Connection", many("a,", 9<<10), HandshakeLimits{}, 431, "MaxBytes"},
		{"17 KiB of Origin", "Origin", strings.Repeat("a", 17<<10), HandshakeLimits{}, 431, "MaxBytes"},
		{"17 KiB of another field", "X-Other", strings.Repeat("a", 17<<10), HandshakeLimits{}, 101, ""},
	} {
		for _, wanted := range []bool{false, true} {
			h, u := HTTPUpgrader{Limits: c.lim}, Upgrader{Limits: c.lim}
			if wanted {
				h.ChooseProtocol = func([]string) (string, error) { return "", nil }
				u.Protocol = func([]byte) bool { return false }
				h.Negotiate = func(httphead.Option) (httphead.Option, error) { return httphead.Option{}, nil }
				u.Negotiate = h.Negotiate
			}
			for way, upgrade := range waysToUpgrade {
				status, err := upgrade(h, u, offering(c.field, c.list))
				require.Equal(t, c.status, status, "%s, %s, wanted: %t", c.name, way, wanted)
				if c.says == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, ErrHandshakeTooLarge)
				require.ErrorContains(t, err, "HandshakeLimits."+c.says)
			}
		}
	}
	custom := Upgrader{ProtocolCustom: func([]byte) (string, bool) { return "a", true }}
	_, err := custom.Upgrade(scripted(headOfFields(offering(protocol, many("a,", 33)))))
	require.ErrorIs(t, err, ErrHandshakeTooLarge)
}

// MaxBytes has the same effect in every way to upgrade, to the byte.
func TestHandshakeSizeIsTheSame(t *testing.T) {
	offer := offering("Origin", "http://b.example")
	size := len("Host") + len("a.example")
	for name, values := range offer {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	for most, want := range map[int]int{size: 101, size - 1: 431} {
		for way, upgrade := range waysToUpgrade {
			lim := HandshakeLimits{MaxBytes: most}
			status, err := upgrade(HTTPUpgrader{Limits: lim}, Upgrader{Limits: lim}, offer)
			require.Equal(t, want, status, "%s, %d bytes: %v", way, most, err)
		}
	}
}

// Over TLS a request without a port asks for port 443.
func TestHostsDefaultPortOverTLS_RFC9110_4_2_2(t *testing.T) {
	for entry, ok := range map[string]bool{"a.example:443": true, "a.example:80": false, "a.example": true} {
		r := httpRequest()
		r.Host, r.TLS = "a.example", new(tls.ConnectionState)
		_, _, _, err := HTTPUpgrader{Hosts: []string{entry}}.Upgrade(r, &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: &deadlineConn{}})
		require.Equal(t, ok, err == nil, entry)
		_, err = Upgrader{Hosts: []string{entry}}.Upgrade(secureScript{scripted(request(getLine))})
		require.Equal(t, ok, err == nil, entry)
	}
}

// secureScript is a script over TLS.
type secureScript struct{ *script }

func (secureScript) ConnectionState() tls.ConnectionState { return tls.ConnectionState{} }

// Entries that cannot match are errors of the program, for any request.
func TestHostsThatMatchNothing(t *testing.T) {
	for _, entry := range []string{
		"", "*", "*.", "a.*", "*.*.example", "http://a.example", "a.example/", "/", "a b", "a.example:x", "a.example:", ":80",
		"::1", "[::1", "[fe80::1%25eth0]", "*.[::1]", "münchen.example", "a.example:80:80",
	} {
		conn := scripted(request(getLine))
		_, err := Upgrader{Hosts: []string{"a.example", entry}}.Upgrade(conn)
		require.ErrorContains(t, err, fmt.Sprintf("%q matches no host", entry))
		resp, body := answerOf(t, conn.Bytes())
		require.Equal(t, 500, resp.StatusCode)
		require.Equal(t, "ws: internal server error", body)
	}
}

// allocated returns how many bytes f allocates: the minimum of a few runs,
// because other goroutines also allocate.
func allocated(f func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

// The cost of a header of one megabyte is limited, and the cost of one within
// the limits is a small multiple of its size.
func TestHandshakeMemoryIsBounded(t *testing.T) {
	const size = 1 << 20
	h := HTTPUpgrader{
		ChooseProtocol: func([]string) (string, error) { return "", nil },
		Negotiate:      func(o httphead.Option) (httphead.Option, error) { return httphead.Option{}, nil },
	}
	for name, fields := range map[string]http.Header{
		"parameters":   offering("Sec-Websocket-Extensions", "x"+strings.Repeat(";a", size/2)),
		"extensions":   offering("Sec-Websocket-Extensions", strings.Repeat("x,", size/2)),
		"quoted":       offering("Sec-Websocket-Extensions", `x;a="`+strings.Repeat(`\a`, size/2)+`"`),
		"subprotocols": offering("Sec-Websocket-Protocol", strings.Repeat("x,", size/2)),
		"connection":   offering("Connection", strings.Repeat("x,", size/2)),
		"origin":       offering("Origin", strings.Repeat("x", size)),
	} {
		for _, u := range []HTTPUpgrader{{}, h} {
			cost := allocated(func() {
				status, err := waysToUpgrade["net/http"](u, Upgrader{}, fields)
				require.Equal(t, 431, status)
				require.Error(t, err)
			})
			require.LessOrEqual(t, cost, uint64(32<<10), name)
		}
	}
	// Within the limits, but not supported by the server.
	for name, fields := range map[string]http.Header{
		"parameters":   offering("Sec-Websocket-Extensions", many("x"+strings.Repeat(";a", 32)+",", 32)),
		"subprotocols": offering("Sec-Websocket-Protocol", many("x,", 32)),
	} {
		in := headOfFields(fields)
		cost := allocated(func() {
			_, err := Upgrade(scripted(in))
			require.NoError(t, err)
		})
		require.LessOrEqual(t, cost, uint64(4*len(in)), name)
	}
}

func TestHeadLimitsAreNamed(t *testing.T) {
	for in, says := range map[string]string{
		getLine + "\r\nX-A: " + strings.Repeat("x", 20_000):           "HeadLimits.MaxBytes is 16384",
		"GET /" + strings.Repeat("x", 20_000):                         "HeadLimits.MaxBytes is 16384",
		getLine + "\r\n" + strings.Repeat("X-A: b\r\n", 129) + "\r\n": "HeadLimits.MaxFields is 128",
	} {
		conn := scripted(in)
		_, err := Upgrade(conn)
		require.ErrorContains(t, err, says)
		resp, body := answerOf(t, conn.Bytes())
		require.GreaterOrEqual(t, resp.StatusCode, 414)
		require.NotEmpty(t, body)
		require.NotContains(t, body, "Limits", "which is for the program")
	}
	refusal := string(AppendRefusal(nil, new(Request), tooLarge("number of subprotocols", "MaxProtocols")))
	require.Contains(t, refusal, "\r\n\r\nws: number of subprotocols over the limit of this server")
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		host  string
		hosts []string
		ok    bool
	}{
		{"a.example", nil, true},
		{"a.example", []string{"a.example"}, true},
		{"A.Example:8080", []string{"b.example", "a.EXAMPLE"}, true},
		{"a.example:8080", []string{"a.example:8080"}, true},
		{"a.example:8081", []string{"a.example:8080"}, false},
		{"a.example", []string{"a.example:8080"}, false},
		{"a.example", []string{"a.example:80"}, true},
		{"a.example", []string{"a.example:443"}, true},
		{"a.example:", []string{"a.example:80"}, true},
		{"a.example:80", []string{"a.example:80"}, true},
		{"a.example:80", []string{"a.example:443"}, false},
		{"x.a.example", []string{"*.a.example:80"}, true},
		{"[::1]", []string{"[::1]:80"}, true},
		{"a.example:", []string{"a.example"}, true},
		{"evil.example", []string{"a.example"}, false},
		{"a.example.evil.example", []string{"a.example"}, false},
		{"x.a.example", []string{"a.example"}, false},
		{"x.a.example:80", []string{"*.a.example"}, true},
		{"x.a.example:80", []string{"*.a.example:80"}, true},
		{"x.a.example:81", []string{"*.a.example:80"}, false},
		{"a.example", []string{"*.a.example"}, false},
		{"y.x.a.example", []string{"*.a.example"}, false},
		{"xa.example", []string{"*.a.example"}, false},
		{"127.0.0.1:8080", []string{"127.0.0.1", "localhost"}, true},
		{"[::1]:8080", []string{"[::1]"}, true},
		{"[::1]", []string{"[::1]:8080"}, false},
		{"[::2]", []string{"[::1]"}, false},
	} {
		for _, target := range []string{"/", "http://" + c.host + "/"} {
			in := request("GET "+target+" HTTP/1.1", "Host", c.host)
			conn := scripted(in)
			_, err := Upgrader{Hosts: c.hosts}.Upgrade(conn)
			resp, _ := answerOf(t, conn.Bytes())
			if c.ok {
				require.NoError(t, err, "%+v", c)
				continue
			}
			require.ErrorIs(t, err, ErrHandshakeForeignHost, "%+v", c)
			require.Equal(t, 421, resp.StatusCode)
		}
		r := httpRequest()
		r.Host = c.host
		_, _, _, err := HTTPUpgrader{Hosts: c.hosts}.Upgrade(r, &hijackable{ResponseRecorder: httptest.NewRecorder(), conn: &deadlineConn{}})
		require.Equal(t, c.ok, err == nil, "%+v", c)
		require.Equal(t, !c.ok, errors.Is(err, ErrHandshakeForeignHost))
	}
}

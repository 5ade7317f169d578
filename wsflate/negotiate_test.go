package wsflate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// options parses what stands in Sec-WebSocket-Extensions.
func options(t testing.TB, value string) []httphead.Option {
	t.Helper()
	all, ok := httphead.ParseOptions([]byte(value), nil)
	require.True(t, ok, "%q", value)
	return all
}

func written(t testing.TB, o httphead.Option) string {
	t.Helper()
	p, err := httphead.AppendOptions(nil, []httphead.Option{o})
	require.NoError(t, err)
	return string(p)
}

// RFC 7692, section 7.1: what stands in an offer or an answer.
func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Parameters
		bad  string // what is wrong with it
	}{
		{in: "", want: Parameters{}},
		{in: "; server_no_context_takeover", want: Parameters{ServerNoContextTakeover: true}},
		{in: "; client_no_context_takeover", want: Parameters{ClientNoContextTakeover: true}},
		{in: "; client_max_window_bits", want: Parameters{ClientMaxWindowBits: AnyWindowBits}},
		{in: "; client_max_window_bits=8; server_max_window_bits=15", want: Parameters{ClientMaxWindowBits: 8, ServerMaxWindowBits: 15}},
		{in: `; client_max_window_bits="10"`, want: Parameters{ClientMaxWindowBits: 10}},
		{in: `; client_max_window_bits="1\0"`, want: Parameters{ClientMaxWindowBits: 10}},
		{in: "; server_max_window_bits = 9 ;client_no_context_takeover", want: Parameters{ServerMaxWindowBits: 9, ClientNoContextTakeover: true}},

		{in: "; server_max_window_bits", bad: "8 to 15"},
		{in: `; server_max_window_bits=""`, bad: "8 to 15"},
		{in: "; server_max_window_bits=7", bad: "8 to 15"},
		{in: "; server_max_window_bits=16", bad: "8 to 15"},
		{in: "; server_max_window_bits=08", bad: "8 to 15"},
		{in: "; server_max_window_bits=010", bad: "8 to 15"},
		{in: "; server_max_window_bits=0", bad: "8 to 15"},
		{in: "; server_max_window_bits=1", bad: "8 to 15"},
		{in: "; client_max_window_bits=1", bad: "8 to 15"},
		{in: "; client_max_window_bits=100", bad: "8 to 15"},
		{in: "; client_max_window_bits=+9", bad: "8 to 15"},
		{in: "; client_max_window_bits=x", bad: "8 to 15"},
		{in: `; client_max_window_bits=" 9"`, bad: "8 to 15"},
		{in: `; client_max_window_bits="10, permessage-deflate"`, bad: "8 to 15"},
		{in: "; server_no_context_takeover=1", bad: "value"},
		{in: "; client_no_context_takeover=true", bad: "value"},
		{in: "; server_no_context_takeover; server_no_context_takeover", bad: "twice"},
		{in: "; client_no_context_takeover; client_no_context_takeover", bad: "twice"},
		{in: "; server_max_window_bits=9; server_max_window_bits=9", bad: "twice"},
		{in: "; client_max_window_bits; client_max_window_bits=9", bad: "twice"},
		{in: "; client_max_window_bits=9; client_max_window_bits", bad: "twice"},
		{in: "; mux", bad: "unknown"},
		{in: "; Server_No_Context_Takeover", bad: "unknown"},
	} {
		t.Run(tt.in, func(t *testing.T) {
			o := options(t, ExtensionName+tt.in)[0]
			got := Parameters{ServerMaxWindowBits: 11}
			err := got.Parse(o)
			require.Equal(t, tt.want, got)
			if tt.bad != "" {
				var fault *ParameterError
				require.ErrorAs(t, err, &fault)
				require.Contains(t, fault.Reason, tt.bad)
				return
			}
			require.NoError(t, err)
			// Written and read again, also as a handshake returns it: without
			// nil values.
			var again Parameters
			require.NoError(t, again.Parse(options(t, written(t, got.Option()))[0]))
			require.Equal(t, tt.want, again)
			require.NoError(t, again.Parse(o.Clone()))
			require.Equal(t, tt.want, again)
		})
	}
}

func TestWindowBits(t *testing.T) {
	for b := range WindowBits(16) {
		value := Parameters{ServerMaxWindowBits: b}.check() == nil
		require.Equal(t, b == 0 || b >= 8, value, "%d", b)
		require.Equal(t, b != 0, b.Defined())
		if b >= 8 {
			require.Equal(t, 1<<b, b.Bytes())
		}
	}
	require.Equal(t, MaxLZ77WindowSize, WindowBits(0).Bytes(), "what is absent bounds nothing")
	require.Equal(t, MaxLZ77WindowSize, AnyWindowBits.Bytes())
	require.Equal(t, "permessage-deflate; client_max_window_bits", written(t, Parameters{ClientMaxWindowBits: AnyWindowBits}.Option()))
	require.Error(t, Parameters{ServerMaxWindowBits: AnyWindowBits}.check())
	require.Error(t, Parameters{ClientMaxWindowBits: 16}.check())
}

// RFC 7692, sections 5 and 7.1: what a server answers. "" stands for no answer.
func TestAnswer(t *testing.T) {
	const name = ExtensionName
	var open Parameters
	for _, tt := range []struct {
		policy        Parameters
		offers, want  string
		section, note string
	}{
		{open, name, name, "7", "an offer without parameters"},
		{open, "x-trace", "", "5", "another extension"},
		{open, "x-trace, " + name, name, "5", ""},
		{open, "Permessage-Deflate", "", "5", "names are compared as they are"},
		{open, "permessage-deflat", "", "5", ""},

		{open, name + "; server_no_context_takeover", name + "; server_no_context_takeover", "7.1.1.1", "accepted by repeating it"},
		{DefaultParameters, name, name + "; server_no_context_takeover; client_no_context_takeover", "7.1.1", "the server may ask for both on its own"},
		{open, name + "; client_no_context_takeover", name + "; client_no_context_takeover", "7.1.1.2", "a hint that saves memory"},

		{open, name + "; server_max_window_bits=10", name + "; server_max_window_bits=10", "7.1.2.1", ""},
		{open, name + `; server_max_window_bits="10"`, name + "; server_max_window_bits=10", "7.1.2.1", "quoted"},
		{Parameters{ServerMaxWindowBits: 9}, name + "; server_max_window_bits=10", name + "; server_max_window_bits=9", "7.1.2.1", "or a smaller one"},
		{Parameters{ServerMaxWindowBits: 12}, name + "; server_max_window_bits=10", name + "; server_max_window_bits=10", "7.1.2.1", "never a larger one"},
		{Parameters{ServerMaxWindowBits: 12}, name, name + "; server_max_window_bits=12", "7.1.2.1", "the server may on its own"},
		{open, name + "; server_max_window_bits=15", name + "; server_max_window_bits=15", "7.1.2.1", ""},
		{open, name + "; server_max_window_bits=8", name + "; server_max_window_bits=8", "7.1.2.1", ""},

		{open, name + "; client_max_window_bits", name, "7.1.2.2", "nothing to ask for"},
		{Parameters{ClientMaxWindowBits: AnyWindowBits}, name + "; client_max_window_bits", name, "7.1.2.2", ""},
		{Parameters{ClientMaxWindowBits: 12}, name + "; client_max_window_bits", name + "; client_max_window_bits=12", "7.1.2.2", ""},
		{Parameters{ClientMaxWindowBits: 12}, name + "; client_max_window_bits=10", name + "; client_max_window_bits=10", "7.1.2.2", "a hint"},
		{Parameters{ClientMaxWindowBits: 9}, name + "; client_max_window_bits=10", name + "; client_max_window_bits=9", "7.1.2.2", ""},
		{open, name + "; client_max_window_bits=10", name + "; client_max_window_bits=10", "7.1.2.2", ""},
		{Parameters{ClientMaxWindowBits: 12}, name, name + "; client_no_context_takeover", "7.1.2.2", "a bound that was not offered must not be asked for"},
		{Parameters{ClientMaxWindowBits: 15}, name, name, "7.1.2.2", "no bound at all"},

		{open, name + "; server_max_window_bits, " + name, name, "7.1", "malformed: declined, and the next one taken"},
		{open, name + "; mux, " + name + "; server_max_window_bits=10", name + "; server_max_window_bits=10", "7.1", "unknown parameter"},
		{open, name + "; client_max_window_bits=010", "", "7.1.2.2", "leading zero"},
		{open, name + "; server_no_context_takeover=x", "", "7.1.1.1", ""},
		{open, name + "; server_max_window_bits=9; server_max_window_bits=10", "", "7.1", "twice"},
		{open, name + "; server_max_window_bits=10, " + name, name + "; server_max_window_bits=10", "5", "the client's order of preference"},
		{open, name + ", " + name + "; server_max_window_bits=10", name, "5", "the client's order of preference"},
	} {
		t.Run(fmt.Sprintf("%s/%+v/%s", tt.section, tt.policy, tt.offers), func(t *testing.T) {
			answer, agreed, ok, err := tt.policy.Answer(options(t, tt.offers))
			require.NoError(t, err)
			require.Equal(t, tt.want != "", ok, tt.note)
			if !ok {
				require.Zero(t, agreed)
				require.Empty(t, answer.Name)
				return
			}
			require.Equal(t, tt.want, written(t, answer), tt.note)
			var said Parameters
			require.NoError(t, said.Parse(answer))
			require.Equal(t, said, agreed, "agreed is what the answer says")

			// The callback of the handshakes, offer by offer, comes to the
			// same.
			e := Extension{Parameters: tt.policy, Adaptive: true}
			var got []string
			for _, o := range options(t, tt.offers) {
				accepted, err := e.Negotiate(o)
				require.NoError(t, err)
				if len(accepted.Name) > 0 {
					got = append(got, written(t, accepted))
				}
			}
			require.Equal(t, []string{tt.want}, got)
			p, ok := e.Accepted()
			require.True(t, ok)
			require.Equal(t, agreed, p)
			e.Reset()
			p, ok = e.Accepted()
			require.False(t, ok)
			require.Zero(t, p)
			require.Equal(t, Extension{Parameters: tt.policy, Adaptive: true}, e)
		})
	}
	_, _, ok, err := Parameters{ServerMaxWindowBits: 7}.Answer(options(t, name))
	require.False(t, ok)
	require.ErrorContains(t, err, "ServerMaxWindowBits")
}

// RFC 7692, sections 7.1.1.1 and 7.1.2.1: a server that does not adapt declines
// what it would have to do more for than its policy says, and takes the next
// offer.
func TestExtensionThatDoesNotAdapt(t *testing.T) {
	const name = ExtensionName
	for _, tt := range []struct {
		policy Parameters
		offers string
		want   string
	}{
		{DefaultParameters, "; server_max_window_bits=12; client_max_window_bits=12", ""},
		{DefaultParameters, "; server_max_window_bits=14, " + name, "; server_no_context_takeover; client_no_context_takeover"},
		{DefaultParameters, "; server_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover"},
		{DefaultParameters, "; client_max_window_bits", "; server_no_context_takeover; client_no_context_takeover"},
		{DefaultParameters, "; server_max_window_bits=15", "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15"},
		{Parameters{}, "; server_no_context_takeover", ""},
		{Parameters{}, "; client_no_context_takeover", "; client_no_context_takeover"},
		{Parameters{ServerMaxWindowBits: 10}, "; server_max_window_bits=9", ""},
		{Parameters{ServerMaxWindowBits: 10}, "; server_max_window_bits=10", "; server_max_window_bits=10"},
		{Parameters{ServerMaxWindowBits: 10}, "; server_max_window_bits=11", "; server_max_window_bits=10"},
		{Parameters{ServerMaxWindowBits: 10}, "", "; server_max_window_bits=10"},
	} {
		e := Extension{Parameters: tt.policy}
		var got string
		for _, o := range options(t, name+tt.offers) {
			accepted, err := e.Negotiate(o)
			require.NoError(t, err)
			if len(accepted.Name) > 0 {
				require.Empty(t, got, "accepted once")
				got = strings.TrimPrefix(written(t, accepted), name)
			}
		}
		require.Equal(t, tt.want, got, "%+v: %s", tt.policy, tt.offers)
		_, ok := e.Accepted()
		require.Equal(t, ok, tt.want != "")
	}
}

// RFC 7692, section 7.1: which answers a client takes for what it has offered.
func TestConfirm(t *testing.T) {
	for _, tt := range []struct {
		offer  Parameters
		answer string
		want   Parameters
		bad    string
	}{
		{Parameters{}, "", Parameters{}, ""},
		{Parameters{}, "; server_no_context_takeover", Parameters{ServerNoContextTakeover: true}, ""},
		{Parameters{}, "; client_no_context_takeover", Parameters{ClientNoContextTakeover: true}, ""},
		{Parameters{}, "; server_max_window_bits=9", Parameters{ServerMaxWindowBits: 9}, ""},
		{Parameters{}, "; client_max_window_bits=9", Parameters{}, "not offered"},
		{Parameters{}, "; client_max_window_bits=15", Parameters{}, "not offered"},
		{Parameters{}, "; server_max_window_bits", Parameters{}, "8 to 15"},
		{Parameters{}, "; mux", Parameters{}, "unknown"},
		{Parameters{}, "; server_no_context_takeover; server_no_context_takeover", Parameters{}, "twice"},

		{Parameters{ServerNoContextTakeover: true}, "; server_no_context_takeover", Parameters{ServerNoContextTakeover: true}, ""},
		{Parameters{ServerNoContextTakeover: true}, "", Parameters{}, ""}, // as servers of the field answer: the client keeps a window
		{DefaultParameters, "; client_no_context_takeover", Parameters{ClientNoContextTakeover: true}, ""},
		{Parameters{ClientNoContextTakeover: true}, "", Parameters{ClientNoContextTakeover: true}, ""}, // section 7.1.1.2: our word holds

		{Parameters{ServerMaxWindowBits: 10}, "; server_max_window_bits=10", Parameters{ServerMaxWindowBits: 10}, ""},
		{Parameters{ServerMaxWindowBits: 10}, "; server_max_window_bits=9", Parameters{ServerMaxWindowBits: 9}, ""},
		{Parameters{ServerMaxWindowBits: 10}, "; server_max_window_bits=11", Parameters{}, "wider"},
		{Parameters{ServerMaxWindowBits: 10}, "", Parameters{}, "not accepted"},
		{Parameters{ServerMaxWindowBits: 15}, "", Parameters{}, "not accepted"},

		{Parameters{ClientMaxWindowBits: AnyWindowBits}, "", Parameters{}, ""},
		{Parameters{ClientMaxWindowBits: AnyWindowBits}, "; client_max_window_bits=8", Parameters{ClientMaxWindowBits: 8}, ""},
		{Parameters{ClientMaxWindowBits: AnyWindowBits}, "; client_max_window_bits=15", Parameters{ClientMaxWindowBits: 15}, ""},
		{Parameters{ClientMaxWindowBits: AnyWindowBits}, "; client_max_window_bits", Parameters{}, "no value"},
		{Parameters{ClientMaxWindowBits: 10}, "; client_max_window_bits=10", Parameters{ClientMaxWindowBits: 10}, ""},
		{Parameters{ClientMaxWindowBits: 10}, "; client_max_window_bits=9", Parameters{ClientMaxWindowBits: 9}, ""},
		{Parameters{ClientMaxWindowBits: 10}, "; client_max_window_bits=11", Parameters{}, "wider"},
		{Parameters{ClientMaxWindowBits: 10}, "", Parameters{ClientMaxWindowBits: 10}, ""}, // section 7.1.2.2: our word holds
	} {
		t.Run(written(t, tt.offer.Option())+" gets "+tt.answer, func(t *testing.T) {
			got, err := tt.offer.Confirm(options(t, ExtensionName+tt.answer)[0])
			require.Equal(t, tt.want, got)
			if tt.bad == "" {
				require.NoError(t, err)
				return
			}
			var fault *ParameterError
			require.ErrorAs(t, err, &fault)
			require.Contains(t, err.Error(), tt.bad)
		})
	}
	_, err := Parameters{}.Confirm(options(t, "x-trace")[0])
	require.Error(t, err)
	_, err = Parameters{ClientMaxWindowBits: 7}.Confirm(options(t, ExtensionName)[0])
	require.ErrorContains(t, err, "ClientMaxWindowBits")
}

// every calls f with all Parameters that may be offered, or be a policy.
func every(f func(p Parameters)) {
	bounds := []WindowBits{0, 8, 9, 10, 11, 12, 13, 14, 15}
	for _, flags := range []Parameters{{}, {ServerNoContextTakeover: true}, {ClientNoContextTakeover: true}, DefaultParameters} {
		for _, s := range bounds {
			for _, c := range append(bounds, AnyWindowBits) {
				p := flags
				p.ServerMaxWindowBits, p.ClientMaxWindowBits = s, c
				f(p)
			}
		}
	}
}

// Our client takes whatever our server answers, and what the client then sends
// and receives is no more than what the server is ready for, and the other way
// around.
func TestBothSidesAgree(t *testing.T) {
	const client, server = ws.StateClientSide, ws.StateServerSide
	within := func(sent, received direction) bool {
		return sent.bits <= received.bits && (!sent.takeover || received.takeover)
	}
	every(func(policy Parameters) {
		every(func(offer Parameters) {
			answer, ours, ok, err := policy.Answer([]httphead.Option{offer.Option()})
			if err != nil || !ok {
				t.Fatal(policy, offer, err)
			}
			theirs, err := offer.Confirm(answer)
			if err != nil {
				t.Fatal(policy, offer, err)
			}
			if !within(ours.sent(server), theirs.received(client)) || !within(theirs.sent(client), ours.received(server)) {
				t.Fatalf("policy %+v, offer %+v: server %+v, client %+v", policy, offer, ours, theirs)
			}
			// The policy limits the memory of the server.
			if d := ours.received(server); d.takeover && d.bits > policy.received(server).bits {
				t.Fatalf("policy %+v, offer %+v: server %+v", policy, offer, ours)
			}
		})
	})
}

func FuzzAnswer(f *testing.F) {
	every(func(p Parameters) {
		f.Add(written(f, p.Option()), uint8(p.ServerMaxWindowBits), uint8(p.ClientMaxWindowBits))
	})
	f.Add("permessage-deflate; client_max_window_bits=08, permessage-deflate; server_max_window_bits", uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, value string, s, c uint8) {
		offers, _ := httphead.ParseOptions([]byte(value), nil)
		answer, agreed, ok, err := Parameters{ServerMaxWindowBits: WindowBits(s), ClientMaxWindowBits: WindowBits(c)}.Answer(offers)
		if err != nil || !ok {
			require.Zero(t, agreed)
			return
		}
		var said Parameters
		require.NoError(t, said.Parse(answer))
		require.Equal(t, agreed, said)
	})
}

// The callback works in both upgraders, and Confirm after the dialer.
func TestHandshakes(t *testing.T) {
	offer := Parameters{ServerMaxWindowBits: 10, ClientMaxWindowBits: AnyWindowBits}
	policy := Parameters{ClientMaxWindowBits: 12, ServerNoContextTakeover: true}
	want := Parameters{ServerNoContextTakeover: true, ServerMaxWindowBits: 10, ClientMaxWindowBits: 12}

	t.Run("Upgrader", func(t *testing.T) {
		here, there := net.Pipe()
		defer here.Close()
		e := Extension{Parameters: policy, Adaptive: true}
		done := make(chan error, 1)
		go func() {
			defer there.Close()
			_, err := ws.Upgrader{Negotiate: e.Negotiate}.Upgrade(there)
			done <- err
		}()
		u, _ := url.Parse("ws://example.com/")
		_, hs, err := ws.Dialer{Extensions: []httphead.Option{offer.Option()}}.Upgrade(here, u)
		require.NoError(t, err)
		require.NoError(t, <-done)
		requireAgreed(t, want, &e, offer, hs)
	})
	t.Run("HTTPUpgrader", func(t *testing.T) {
		extensions := make(chan *Extension, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e := &Extension{Parameters: policy, Adaptive: true}
			conn, _, _, err := ws.HTTPUpgrader{Negotiate: e.Negotiate}.Upgrade(r, w)
			if err == nil {
				conn.Close()
			}
			extensions <- e
		}))
		defer srv.Close()
		conn, _, hs, err := ws.Dialer{Extensions: []httphead.Option{offer.Option()}}.Dial(context.Background(), "ws"+strings.TrimPrefix(srv.URL, "http"))
		require.NoError(t, err)
		defer conn.Close()
		requireAgreed(t, want, <-extensions, offer, hs)
	})
	t.Run("a policy that cannot be", func(t *testing.T) {
		e := Extension{Parameters: Parameters{ServerMaxWindowBits: 3}}
		in := "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
		var out bytes.Buffer
		rw := bufio.NewReadWriter(bufio.NewReader(strings.NewReader(in)), bufio.NewWriter(&out))
		_, err := ws.Upgrader{Negotiate: e.Negotiate}.Upgrade(rw)
		require.Error(t, err)
		var fault *ParameterError
		require.False(t, errors.As(err, &fault), "not the peer's fault")
		require.Contains(t, out.String(), " 500 ")
	})
}

func requireAgreed(t *testing.T, want Parameters, e *Extension, offer Parameters, hs ws.Handshake) {
	t.Helper()
	ours, ok := e.Accepted()
	require.True(t, ok)
	require.Equal(t, want, ours)
	require.Len(t, hs.Extensions, 1)
	theirs, err := offer.Confirm(hs.Extensions[0])
	require.NoError(t, err)
	require.Equal(t, want, theirs)
}

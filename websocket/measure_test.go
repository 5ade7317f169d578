package websocket

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// A connection is counted while it is open, and its record has the time that it was.
func TestStatsOfALifetime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stats Stats
		var log []string
		var record CloseRecord
		options := &ConnOptions{Stats: &stats, Hooks: &Hooks{
			Opened: func(c *Conn, handshake time.Duration) {
				log = append(log, "opened")
				require.Zero(t, handshake)
				require.EqualValues(t, 1, stats.Open.Load())
				require.Zero(t, c.CloseRecord().Duration)
			},
			Closed: func(_ *Conn, r CloseRecord) { log, record = append(log, "closed"), r },
		}}
		a, _ := bufferedPipe()
		c, err := NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, options)
		require.NoError(t, err)
		time.Sleep(3 * time.Second)
		c.CloseNow()
		require.Equal(t, []string{"opened", "closed"}, log)
		require.Equal(t, 3*time.Second, record.Duration)
		time.Sleep(time.Second)
		require.Equal(t, record, c.CloseRecord())

		require.EqualValues(t, 1, stats.Opened.Load())
		require.Zero(t, stats.Open.Load())
		require.Zero(t, stats.Handshakes.Count(), "NewConn does not know it")
		require.Equal(t, 3*time.Second, stats.Lifetimes.Sum())
	})
}

// The time of a handshake is that of Accept and Dial, with what callbacks take.
func TestStatsOfHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server, client Stats
		var took []time.Duration
		accept := &AcceptOptions{
			OnHandshake: func(*http.Request, http.Header) error { time.Sleep(2 * time.Second); return nil },
			ConnOptions: ConnOptions{Stats: &server},
		}
		dial := servePipes(t, func(w http.ResponseWriter, r *http.Request) {
			c, err := Accept(w, r, accept)
			require.NoError(t, err)
			c.CloseRead(background)
			<-c.Done()
		})
		c, _, err := Dial(t.Context(), "ws://pipe", &DialOptions{HTTPClient: dial, ConnOptions: ConnOptions{
			Stats: &client,
			Hooks: &Hooks{Opened: func(_ *Conn, handshake time.Duration) { took = append(took, handshake) }},
		}})
		require.NoError(t, err)
		require.NoError(t, c.Close(StatusNormalClosure, ""))
		synctest.Wait()
		require.Equal(t, []time.Duration{2 * time.Second}, took)
		for _, s := range []*Stats{&server, &client} {
			require.EqualValues(t, 1, s.Handshakes.Count())
			require.Equal(t, 2*time.Second, s.Handshakes.Sum())
			require.Zero(t, s.Open.Load())
			require.Empty(t, maps.Collect(s.AllRefused()))
			require.Equal(t, map[StatusCode]int64{1000: 1}, maps.Collect(s.AllClosesRead()))
			require.Equal(t, map[StatusCode]int64{1000: 1}, maps.Collect(s.AllClosesWritten()))
		}
	})
}

// servePipes serves with handler until the test has ended, and returns a client of it.
func servePipes(t *testing.T, handler http.HandlerFunc) *http.Client {
	ln := make(pipeListener)
	server := &http.Server{Handler: handler}
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(ln) })
	t.Cleanup(func() {
		close(ln)
		server.Close()
		serving.Wait()
	})
	return pipeClient(ln)
}

func TestStatsOfRefusals(t *testing.T) {
	for name, row := range map[string]struct {
		accept AcceptOptions
		want   int
	}{
		"origin":                   {AcceptOptions{}, 403},
		"host":                     {AcceptOptions{Hosts: []string{"other"}}, 421},
		"status of a callback":     {AcceptOptions{OnHandshake: refuse(ws.RejectConnectionError(ws.RejectionStatus(401))), InsecureSkipVerify: true}, 401},
		"error of a callback":      {AcceptOptions{OnHandshake: refuse(errors.New("database")), InsecureSkipVerify: true}, 500},
		"group that has been shut": {AcceptOptions{ConnOptions: ConnOptions{Group: shutGroup(t)}}, 503},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var server, client Stats
				row.accept.Stats = &server
				pipes := servePipes(t, func(w http.ResponseWriter, r *http.Request) { Accept(w, r, &row.accept) })
				_, _, err := Dial(t.Context(), "ws://pipe", &DialOptions{
					HTTPClient: pipes, HTTPHeader: http.Header{"Origin": {"http://evil.example"}}, ConnOptions: ConnOptions{Stats: &client}})
				require.Error(t, err)
				for _, s := range []*Stats{&server, &client} {
					require.Equal(t, map[int]int64{row.want: 1}, maps.Collect(s.AllRefused()))
					require.EqualValues(t, 1, s.Refused(row.want))
					require.Zero(t, s.Opened.Load())
				}
			})
		})
	}
}

func refuse(err error) func(*http.Request, http.Header) error {
	return func(*http.Request, http.Header) error { return err }
}

func shutGroup(t *testing.T) *Group {
	g := new(Group)
	require.NoError(t, g.Shutdown(background))
	return g
}

// Where no answer has come or gone out, the status is 0.
func TestStatsWithoutAnswer(t *testing.T) {
	var stats Stats
	down := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errBroken }}}
	_, _, err := Dial(t.Context(), "ws://pipe", &DialOptions{HTTPClient: down, ConnOptions: ConnOptions{Stats: &stats}})
	require.ErrorIs(t, err, errBroken)
	require.EqualValues(t, 1, stats.Refused(0))

	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	_, err = Accept(&brokenHijacker{ResponseRecorder: httptest.NewRecorder()}, r, &AcceptOptions{ConnOptions: ConnOptions{Stats: &stats}})
	require.ErrorIs(t, err, errBroken)
	require.EqualValues(t, 2, stats.Refused(0))
}

// brokenHijacker hands over a connection on which writing fails.
type brokenHijacker struct{ *httptest.ResponseRecorder }

func (*brokenHijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a, _ := net.Pipe()
	conn := &brokenPipe{Conn: a}
	return conn, bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn)), nil
}

// A hook that panics leaves nothing open.
func TestOpenedHookPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stats Stats
		options := &ConnOptions{Stats: &stats, Hooks: &Hooks{Opened: func(*Conn, time.Duration) { panic("mine") }}}
		a, peer := bufferedPipe()
		require.PanicsWithValue(t, "mine", func() { NewConn(a, nil, ws.Handshake{}, ws.StateServerSide, options) })
		require.Zero(t, stats.Open.Load())
		_, err := peer.Read(make([]byte, 1))
		require.Error(t, err, "the transport is closed")
	})
}
